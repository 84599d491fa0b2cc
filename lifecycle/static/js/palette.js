// The command palette: Ctrl-K or Cmd-K, words, arrows, Enter. The server finds; this shows and walks. The dialog element gives the
// focus back to where it was.
import { seen } from './seen.js'

const dialog = document.getElementById('palette')
const PAUSE = 120
const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

if (dialog) {
  const input = dialog.querySelector('input')
  const list = dialog.querySelector('[role="listbox"]')
  const says = dialog.querySelector('[data-palette-says]')
  let asked = null
  let timer = 0

  const options = () => [...list.querySelectorAll('[role="option"]')]
  const active = () => document.getElementById(input.getAttribute('aria-activedescendant') ?? '')

  const activate = (option, scroll = true) => {
    active()?.setAttribute('aria-selected', 'false')
    if (!option) {
      input.removeAttribute('aria-activedescendant')
      return
    }
    option.setAttribute('aria-selected', 'true')
    input.setAttribute('aria-activedescendant', option.id)
    if (scroll) option.scrollIntoView({ block: 'nearest' })
  }

  const step = (by) => {
    const all = options()
    if (all.length) activate(all[(all.indexOf(active()) + by + all.length) % all.length])
  }

  const tell = (sentence) => {
    const text = document.createElement('p')
    text.className = 'search-none'
    text.textContent = sentence
    list.replaceChildren(text)
    activate(null)
    says.textContent = sentence
  }

  const show = (html, query) => {
    list.innerHTML = html
    list.scrollTop = 0
    const all = options()
    all.forEach((option, number) => {
      option.id = `palette-option-${number}`
    })
    activate(all[0] ?? null, false)
    says.textContent = query ? `${all.length - 1 || 'No'} results` : ''
  }

  // What is shown stays until the answer is here, and only the last question's answer counts.
  const load = async () => {
    const query = input.value.trim()
    asked?.abort()
    const mine = (asked = new AbortController())
    const wanted = new URLSearchParams(query ? { q: query } : { seen: seen().join(',') })
    try {
      const response = await fetch(`${dialog.dataset.palette}?${wanted}`, {
        headers: { 'HX-Request': 'true' }, signal: mine.signal,
      })
      if (response.status === 401) location.assign(response.headers.get('HX-Redirect') ?? '/login')
      else if (response.ok) show(await response.text(), query)
      else tell('The search does not answer just now. Try again in a moment.')
    } catch {
      if (!mine.signal.aborted) tell('The server could not be reached. Try again in a moment.')
    }
  }

  const open = () => {
    if (dialog.open) return
    input.value = ''
    dialog.showModal()
    input.focus()
    load()
  }

  document.addEventListener('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== 'k') return
    event.preventDefault()
    if (dialog.open) dialog.close()
    else if (!document.querySelector('dialog[open]')) open()
  })
  document.addEventListener('click', (event) => {
    const opener = event.target instanceof Element && event.target.closest('[data-palette-open]')
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    open()
  })

  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(load, PAUSE)
  })
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      step(event.key === 'ArrowDown' ? 1 : -1)
      event.preventDefault()
    } else if (event.key === 'Enter') {
      const option = active()
      event.preventDefault()
      if (option && (event.ctrlKey || event.metaKey)) window.open(option.href, '_blank', 'noopener')
      else if (option) option.click()
    }
  })
  // The focus stays inside: what the dialog element alone would let out to the browser's own bars comes back.
  dialog.addEventListener('keydown', (event) => {
    if (event.key !== 'Tab') return
    event.preventDefault()
    ;(document.activeElement === input ? dialog.querySelector('button') : input).focus()
  })
  list.addEventListener('pointermove', (event) => {
    const option = event.target.closest('[role="option"]')
    if (option && option !== active()) activate(option, false)
  })
  // Leaving by a link that leads to this very page would leave the palette standing.
  list.addEventListener('click', (event) => {
    if (event.target.closest('[role="option"]') && !(event.ctrlKey || event.metaKey || event.shiftKey)) dialog.close()
  })
  dialog.addEventListener('close', () => {
    clearTimeout(timer)
    asked?.abort()
  })

  for (const keys of document.querySelectorAll('[data-palette-keys]')) {
    keys.textContent = isMac ? '⌘ K' : 'Ctrl K'
    keys.hidden = false
  }
}
