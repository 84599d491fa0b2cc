// Notices: an ordinary one goes after 6 s, one with an action after 60 s, an error stays until it is closed. A pointer or the
// focus on one stops its clock.
import { icon } from './icon.js'

const place = document.getElementById('notices')
const SECONDS = { plain: 6, action: 60 }
const MOST = 3

// kind: "info", "passed", "warning" or "error".
export function notify(sentence, kind = 'info') {
  if (!place) return null
  const notice = document.createElement('div')
  notice.className = `notice notice-${kind}`
  notice.dataset.notice = ''
  const text = document.createElement('p')
  text.className = 'notice-text'
  text.textContent = sentence
  const sign = { info: 'info-circle', passed: 'circle-check' }[kind] ?? 'alert-triangle'
  notice.append(icon(sign), text)
  place.append(notice)
  return notice
}

export function dismiss(notice) {
  if (!notice?.isConnected) return
  notice.classList.add('is-leaving')
  setTimeout(() => notice.remove(), 220)
}

function arm(notice) {
  if (notice.dataset.armed !== undefined) return
  notice.dataset.armed = ''
  const close = document.createElement('button')
  close.type = 'button'
  close.className = 'notice-close'
  close.setAttribute('aria-label', 'Close notice')
  close.append(icon('x'))
  close.addEventListener('click', () => dismiss(notice))
  notice.append(close)
  if (notice.matches('.notice-error, [data-kind="error"]')) return

  const seconds = notice.querySelector('form') ? SECONDS.action : SECONDS.plain
  let timer
  const start = () => {
    clearTimeout(timer)
    timer = setTimeout(() => dismiss(notice), seconds * 1000)
  }
  const stop = () => clearTimeout(timer)
  notice.addEventListener('pointerenter', stop)
  notice.addEventListener('pointerleave', start)
  notice.addEventListener('focusin', stop)
  notice.addEventListener('focusout', start)
  start()
}

if (place) {
  // A board keeps its cards clear of them.
  new ResizeObserver(() => document.body.style.setProperty('--notices-height', `${place.offsetHeight}px`)).observe(place)
  const armAll = () => {
    const notices = [...place.querySelectorAll('.notice')]
    notices.forEach(arm)
    notices.slice(0, Math.max(0, notices.length - MOST)).forEach(dismiss)
  }
  new MutationObserver(armAll).observe(place, { childList: true })
  armAll()
}

// The answer to an undo replaces the offer.
document.addEventListener('htmx:afterRequest', (event) => {
  const notice = event.detail.elt.closest?.('.notice')
  if (notice && event.detail.successful) dismiss(notice)
})

// The server's own sentence about an error is shown; it says so by aiming at the notices.
document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.xhr.getResponseHeader('HX-Retarget') === '#notices') event.detail.shouldSwap = true
})

document.addEventListener('htmx:responseError', (event) => {
  if (event.detail.xhr.getResponseHeader('HX-Retarget') === '#notices') return
  notify(sentenceFor(event.detail.xhr.status), 'error')
})
document.addEventListener('htmx:sendError', (event) => {
  if (!event.detail.told) notify('The server could not be reached. Nothing was changed; try again.', 'error')
})
document.addEventListener('htmx:timeout', (event) => {
  if (!event.detail.told) notify('The server took too long to answer. Look before you try again: it may have been done.', 'error')
})

function sentenceFor(status) {
  if (status === 401) return 'You are signed out. Log in and try again; nothing was changed.'
  if (status === 403) return 'You may not do this. Nothing was changed.'
  if (status === 404) return 'This is no longer here. Reload the page to see what is.'
  if (status === 413) return 'That is too large to send. Nothing was changed.'
  if (status === 429) return 'Too many requests. Wait a minute and try again; nothing was changed.'
  return 'Something went wrong on our side. Nothing was changed; try again in a moment.'
}
