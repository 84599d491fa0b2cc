// A form is sent once; what was typed is not left behind unasked; errors take the focus.
const sent = new WeakSet()

export function isDirty(scope) {
  return [...scope.querySelectorAll('input, textarea, select')].some((control) => {
    if (control.type === 'hidden' || control.type === 'search' || control.disabled) return false
    if (control.type === 'checkbox' || control.type === 'radio') return control.checked !== control.defaultChecked
    if (control.type === 'file') return control.files.length > 0
    if (control.tagName === 'SELECT') {
      const options = [...control.options]
      const start = options.filter((option) => option.defaultSelected)
      if (!start.length && !control.multiple) return control.selectedIndex > 0
      return options.some((option) => option.selected !== option.defaultSelected)
    }
    return control.value !== control.defaultValue
  })
}

document.addEventListener('submit', (event) => {
  const form = event.target
  if (form.method !== 'post' || event.defaultPrevented) return
  if (sent.has(form)) {
    event.preventDefault()
    event.stopImmediatePropagation()
    return
  }
  // htmx keeps its own count; only a form that leaves the page is locked here.
  if (form.matches('[hx-post], [hx-put], [hx-patch], [hx-delete]')) return
  sent.add(form)
  setTimeout(() => event.submitter?.classList.add('is-busy'))
})

document.addEventListener('htmx:beforeRequest', (event) => busy(event, true))
document.addEventListener('htmx:afterRequest', (event) => busy(event, false))

function busy(event, on) {
  const form = event.detail.elt
  if (!(form instanceof HTMLFormElement)) return
  const button = form.querySelector('button[type="submit"].button') ?? document.querySelector(`button[form="${form.id || '-'}"]`)
  if (!button) return
  button.classList.toggle('is-busy', on)
  button.setAttribute('aria-busy', String(on))
}

// A page taken from the back-forward cache may be sent again.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return
  for (const form of document.forms) sent.delete(form)
  for (const button of document.querySelectorAll('.button.is-busy')) button.classList.remove('is-busy')
})

window.addEventListener('beforeunload', (event) => {
  const open = [...document.querySelectorAll('form[data-warn-dirty]')].some((form) => !sent.has(form) && isDirty(form))
  if (open) event.preventDefault()
})

function focusErrors() {
  document.querySelector('[data-error-summary]:not([data-seen])')?.focus()
  for (const summary of document.querySelectorAll('[data-error-summary]')) summary.dataset.seen = ''
}
document.addEventListener('htmx:afterSettle', focusErrors)
focusErrors()
