// The drawer: whatever stands in #drawer. Takes and gives back the focus, closes on Esc and on a click beside it, and keeps the
// address right: the page below has one, what is open has its own, and back and forward go between them.
import htmx from 'htmx.org'
import { isDirty } from './forms.js'

const slot = document.getElementById('drawer')
const behind = () => document.querySelectorAll('.topbar, main, .skip-link')
const addresses = new Set()
let page = location.href
let wasOpen = false
let lastOutside = null
let lastTarget = null

const isOpen = () => slot.firstElementChild !== null

export function close() {
  if (!isOpen()) return
  if (isDirty(slot) && !window.confirm('Close and lose what you typed here?')) return
  slot.replaceChildren()
}

function opened() {
  for (const part of behind()) part.inert = true
  setTimeout(() => slot.classList.add('is-settled'), 260)
  takeFocus()
}

function closed() {
  slot.classList.remove('is-settled')
  for (const part of behind()) part.inert = false
  if (location.href !== page) history.pushState({ page: true }, '', page)
  const back = lastOutside?.card ? document.getElementById(lastOutside.card) : lastOutside?.element
  if (back?.isConnected) back.focus({ preventScroll: true })
}

// At first the heading; after a swap in place, what is to be done next.
const NEXT = [
  '[autofocus], [data-error-summary]',
  '.has-error :is(input, select, textarea)',
  '#gate-advance:not(:disabled)',
]
const FIX = '.gate-check-fix :is(input:not([type="hidden"]), select, textarea, a, button)'

// Checks in the order in which somebody works them off: the one being fixed, what stands below it, then from the top.
let order = []

function orderFrom(check) {
  if (!check) return []
  const keys = [...check.parentElement.children].map((one) => one.dataset.check)
  const here = keys.indexOf(check.dataset.check)
  return [...keys.slice(here), ...keys.slice(0, here)]
}

function nextFix() {
  const blocked = [...slot.querySelectorAll('.gate-check.is-blocked')]
  const rank = (check) => (order.includes(check.dataset.check) ? order.indexOf(check.dataset.check) : order.length)
  blocked.sort((one, other) => rank(one) - rank(other))
  return blocked.flatMap((check) => [...check.querySelectorAll(FIX)]).find((control) => control.offsetParent)
}

function takeFocus(again = false) {
  if (slot.contains(document.activeElement)) return
  const wanted = again ? NEXT : NEXT.slice(0, 1)
  const found = wanted.map((selector) => slot.querySelector(selector)).find(Boolean) ?? (again && nextFix())
  ;(found || slot.querySelector('#drawer-title'))?.focus({ preventScroll: !again })
}

if (slot) {
  // However it was filled or emptied (htmx, a button, back), the rest follows from what stands in it.
  new MutationObserver(() => {
    if (isOpen() && !wasOpen) opened()
    else if (!isOpen() && wasOpen) closed()
    wasOpen = isOpen()
  }).observe(slot, { childList: true })
  document.addEventListener('htmx:afterSettle', () => {
    if (isOpen()) takeFocus(slot.classList.contains('is-settled'))
  })

  document.addEventListener('focusin', (event) => {
    if (slot.contains(event.target) || event.target.closest('.notices, dialog')) return
    lastOutside = { element: event.target, card: event.target.closest('.card')?.id }
  })

  slot.addEventListener('click', (event) => {
    const button = event.target.closest('[data-drawer-close]')
    if (!button && event.target !== slot) return
    if (event.ctrlKey || event.metaKey) return
    event.preventDefault()
    close()
  })

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented || !isOpen() || document.querySelector('dialog[open]')) return
    event.preventDefault()
    close()
  })

  document.addEventListener('htmx:beforeSwap', (event) => {
    lastTarget = event.detail.target
    if (lastTarget === slot) order = orderFrom(event.detail.requestConfig?.elt?.closest?.('.gate-check'))
  })
  document.addEventListener('htmx:pushedIntoHistory', () => {
    if (lastTarget === slot) addresses.add(location.href)
    else page = location.href
  })
  document.addEventListener('htmx:replacedInHistory', () => {
    if (lastTarget !== slot) page = location.href
  })

  // htmx would fetch the whole page again; here only the drawer opens or closes.
  window.addEventListener(
    'popstate',
    (event) => {
      if (location.href === page) {
        event.stopImmediatePropagation()
        slot.replaceChildren()
      } else if (addresses.has(location.href)) {
        event.stopImmediatePropagation()
        htmx.ajax('GET', location.pathname + location.search, { target: slot, swap: 'innerHTML' })
      }
    },
    true,
  )

  if (isOpen()) {
    const way = slot.querySelector('[data-drawer-close][href]')
    if (way) page = new URL(way.getAttribute('href'), location.href).href
    wasOpen = true
    slot.classList.add('is-settled')
    opened()
  }
}
