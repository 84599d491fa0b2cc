// Asks for changes while the page is visible. 204 means none, 200 carries the same fragments as a move. Nothing is asked while a
// card is in the hand or on its way.
import htmx from 'htmx.org'
import { isBusy } from './board-drag.js'
import { place, take } from './board-place.js'
import { dismiss, notify } from './notices.js'

const EVERY = 1400
const SLOWEST = 15000
const board = document.getElementById('board')
let timer
let failures = 0
let lost = null

function later() {
  clearTimeout(timer)
  timer = setTimeout(ask, Math.min(EVERY * 2 ** Math.min(failures, 4), SLOWEST))
}

async function ask() {
  if (document.visibilityState !== 'visible') return
  if (isBusy()) {
    later()
    return
  }
  try {
    const response = await fetch(board.dataset.changesUrl, {
      headers: { 'X-Board-Cursor': board.dataset.cursor, 'HX-Request': 'true', Accept: 'text/html' }, cache: 'no-store',
    })
    if (response.status === 401) {
      notify('You are signed out, so this board no longer changes by itself. Reload the page to log in.', 'warning')
      return
    }
    if (!response.ok) throw new Error(String(response.status))
    if (response.headers.get('HX-Refresh') === 'true') {
      // Nobody's half-written form is thrown away: the board is opened anew when it is closed.
      if (isWriting()) later()
      else location.reload()
      return
    }
    const html = response.status === 204 ? '' : await response.text()
    found()
    // What came while a card was picked up waits: the cursor stays, and it comes again.
    if (!isBusy()) apply(html, response.headers.get('X-Board-Cursor'))
  } catch {
    failures += 1
    if (failures === 3) lost = notify('The connection is lost. The board shows how things stood; trying again.', 'error')
  }
  later()
}

function isWriting() {
  const element = document.activeElement
  return Boolean(document.querySelector('.drawer-slot > *, dialog[open], .column-new > *') ?? element?.matches('input, textarea, select'))
}

function apply(html, cursor) {
  if (cursor) board.dataset.cursor = cursor
  if (!html.trim()) return
  const { templates, rest } = take(html)
  if (rest.trim()) htmx.swap(board, rest, { swapStyle: 'none', swapDelay: 0, settleDelay: 0 })
  place(templates)
}

function found() {
  failures = 0
  dismiss(lost)
  lost = null
}

// A board at a past moment has nothing to wait for.
if (board?.dataset.changesUrl) {
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') ask()
  })
  later()
}
