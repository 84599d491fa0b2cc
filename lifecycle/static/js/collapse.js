// Folds a column at once and tells the server, which remembers it for this person; unfolds again if that failed.
import { notify } from './notices.js'

function fold(form, folded) {
  const column = form.closest('.column')
  const button = form.querySelector('button')
  column.classList.toggle('is-collapsed', folded)
  form.elements.collapsed.value = folded ? '0' : '1'
  button.setAttribute('aria-expanded', String(!folded))
  button.title = folded ? 'Unfold' : 'Fold'
}

document.addEventListener(
  'submit',
  async (event) => {
    const form = event.target
    if (!form.matches('[data-collapse]')) return
    event.preventDefault()
    event.stopImmediatePropagation()
    const body = new FormData(form)
    const folded = body.get('collapsed') === '1'
    fold(form, folded)
    try {
      const response = await fetch(form.action, { method: 'POST', body, headers: { 'HX-Request': 'true' } })
      if (!response.ok) throw new Error(String(response.status))
    } catch {
      fold(form, !folded)
      notify('The server did not take it, so the column is as it was.', 'error')
    }
  },
  true,
)
