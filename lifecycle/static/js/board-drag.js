// Dragging a card to another column. The card stays in its place until the server has said yes: while it is carried only its
// picture moves, so a refusal needs no repair. The order inside a column is the server's.
import htmx from 'htmx.org'
import Sortable from 'sortablejs'
import { announce } from './announce.js'
import { listOf, nameOf, release } from './board-place.js'
import { icon } from './icon.js'
import { fly } from './motion.js'
import { notify } from './notices.js'

const STATES = {
  open: { look: 'may-enter', tone: 'tone-accent', icon: 'circle-check', says: () => 'May enter' },
  needs_input: { look: 'may-enter', tone: 'tone-accent', icon: 'message', says: () => 'Asks first' },
  blocked: { look: 'may-try', tone: 'tone-neutral', icon: 'lock', says: (target) => `${target.unmet} missing` },
  forbidden: { look: 'may-not', tone: 'tone-neutral', icon: 'ban', says: (target) => target.says || 'Not from here' },
}
const LOOKS = ['may-enter', 'may-try', 'may-not', 'is-over']

let carried = null
let sending = null

const board = () => document.getElementById('board')
const places = () => document.querySelectorAll('#board [data-stage], [data-stage-jump]')
const stageOf = (element) => element.dataset.stage ?? element.dataset.stageJump
const columnOf = (stage) => document.getElementById(`column-${stage}`)

export const isBusy = () => carried !== null || sending !== null

function makeDraggable(root) {
  if (board()?.dataset.canMove !== 'true') return
  const lists = root.matches?.('.column-cards') ? [root] : root.querySelectorAll?.('.column-cards') ?? []
  for (const list of lists) {
    if (Sortable.get(list)) continue
    Sortable.create(list, {
      draggable: '.card',
      sort: false,
      forceFallback: true,
      fallbackOnBody: true,
      fallbackTolerance: 8,
      fallbackClass: 'card-lifted',
      ghostClass: 'is-picked',
      delay: 220,
      delayOnTouchOnly: true,
      touchStartThreshold: 8,
      scroll: true,
      bubbleScroll: true,
      scrollSensitivity: 80,
      scrollSpeed: 16,
      onStart: pickUp,
      onEnd: letGo,
    })
  }
}

function pickUp(event) {
  const card = event.item
  carried = { card, home: card.closest('[data-stage]').dataset.stage, over: null, cancelled: false, rect: null, asked: new AbortController() }
  card.focus({ preventScroll: true })
  board().classList.add('is-lifting')
  document.addEventListener('pointermove', follow, true)
  document.addEventListener('touchmove', follow, { capture: true, passive: true })
  document.addEventListener('keydown', escape, true)
  announce(`${nameOf(card)} lifted`)
  requestAnimationFrame(() => {
    // The picture in the hand is not a second card.
    for (const element of [Sortable.ghost, ...(Sortable.ghost?.querySelectorAll('[id]') ?? [])]) {
      for (const name of ['id', 'data-card', 'data-visit', 'tabindex', 'aria-labelledby']) element?.removeAttribute(name)
    }
    Sortable.ghost?.setAttribute('aria-hidden', 'true')
  })
  askTargets(carried)
}

async function askTargets(lift) {
  try {
    const response = await fetch(`/cards/${lift.card.dataset.card}/targets`, {
      headers: { Accept: 'application/json' }, signal: lift.asked.signal,
    })
    if (!response.ok) return
    const { targets } = await response.json()
    if (carried === lift) light(lift, targets)
  } catch {
    // Without the answer nothing is lit; the drop is still judged by the server.
  }
}

function light(lift, targets) {
  const byStage = new Map(targets.map((target) => [target.stage, target]))
  const open = []
  const lane = lift.card.closest('.lane')
  for (const element of places()) {
    const stage = stageOf(element)
    if (stage === lift.home || (lane && element.closest('.lane') && element.closest('.lane') !== lane)) continue
    const target = byStage.get(stage) ?? { stage, state: 'forbidden', unmet: 0, says: '' }
    const state = STATES[target.state] ?? STATES.forbidden
    element.classList.add(state.look)
    element.title = target.says || state.says(target)
    if (!element.dataset.stage) continue
    if (state.look === 'may-enter') open.push(element.dataset.name)
    const hint = document.createElement('p')
    hint.className = `column-hint ${state.tone}`
    hint.append(icon(state.icon), state.says(target))
    hint.hidden = state.look === 'may-not'
    element.append(hint)
  }
  announce(open.length ? `May enter ${open.join(', ')}` : 'No column is open to it yet')
}

function follow(event) {
  if (!carried) return
  const point = event.touches?.[0] ?? event.changedTouches?.[0] ?? event
  if (Sortable.ghost?.isConnected) carried.rect = Sortable.ghost.getBoundingClientRect()
  const over = document.elementFromPoint(point.clientX, point.clientY)?.closest('#board [data-stage], [data-stage-jump]') ?? null
  if (over === carried.over) return
  hover(carried.over, false)
  carried.over = over
  hover(over, true)
  Sortable.ghost?.classList.toggle('is-over-bar', Boolean(over?.dataset.stageJump))
}

function hover(element, on) {
  if (!element) return
  element.classList.toggle('is-over', on)
  const hint = element.classList.contains('may-not') && element.querySelector('.column-hint')
  if (hint) hint.hidden = !on
}

function escape(event) {
  if (event.key !== 'Escape' || !carried) return
  event.preventDefault()
  event.stopImmediatePropagation()
  carried.cancelled = true
  // Sortable has no cancel; an interrupted pointer ends its drag, and nothing has been moved.
  document.dispatchEvent(new PointerEvent('pointercancel'))
  if (Sortable.active) document.dispatchEvent(new Event('touchcancel'))
}

function letGo(event) {
  const lift = carried
  // A quick hand lets go where no move was seen.
  if (event.originalEvent?.clientX !== undefined || event.originalEvent?.changedTouches) follow(event.originalEvent)
  carried = null
  lift.asked.abort()
  document.removeEventListener('pointermove', follow, true)
  document.removeEventListener('touchmove', follow, { capture: true })
  document.removeEventListener('keydown', escape, true)
  for (const element of places()) {
    element.classList.remove(...LOOKS)
    element.removeAttribute('title')
  }
  for (const hint of document.querySelectorAll('.column-hint')) hint.remove()
  board().classList.remove('is-lifting')
  swallowClick()

  const interrupted = lift.cancelled || ['pointercancel', 'touchcancel'].includes(event.originalEvent?.type)
  const stage = lift.over && stageOf(lift.over)
  if (interrupted || !stage || stage === lift.home) {
    fly(lift.card, lift.rect)
    announce(`${nameOf(lift.card)} is back in ${columnOf(lift.home).dataset.name}`)
    release()
    return
  }
  send(lift, stage)
}

// Sortable swallows the click that ends a drag with the mouse; after a touch none comes, and it would swallow the next one.
function swallowClick() {
  setTimeout(() => document.dispatchEvent(new MouseEvent('click', { cancelable: true })), 60)
}

function setSorting(on) {
  for (const list of document.querySelectorAll('#board .column-cards')) Sortable.get(list)?.option('disabled', !on)
}

async function send(lift, stage) {
  const { card } = lift
  const move = { card, list: card.parentElement, next: card.nextSibling, path: `/cards/${card.dataset.card}/moves`, home: lift.home, done: false }
  sending = move
  board().classList.add('is-saving')
  setSorting(false)
  card.setAttribute('aria-busy', 'true')
  const list = listOf(stage, undefined, card)
  if (list.checkVisibility()) {
    list.prepend(card)
    list.scrollTop = 0
    card.focus({ preventScroll: true })
  }
  fly(card, lift.rect, document.getElementById(`column-header-${stage}`))
  try {
    await htmx.ajax('POST', move.path, {
      source: board(),
      target: '#drawer',
      swap: 'innerHTML',
      values: { to_stage: stage, seen_visit: card.dataset.visit, channel: 'board' },
    })
  } catch {
    // The event below has told it and put the card back.
  }
  if (!move.done && card.isConnected) putBack(move)
  finish(move)
}

function putBack(move) {
  move.done = true
  const { card, list, next } = move
  if (!card.isConnected || !list.isConnected) return
  const from = card.getBoundingClientRect()
  list.insertBefore(card, next?.parentNode === list ? next : null)
  card.removeAttribute('aria-busy')
  card.focus({ preventScroll: true })
  fly(card, from)
  announce(`${nameOf(card)} is back in ${columnOf(move.home)?.dataset.name}`)
}

function finish(move) {
  move.card.removeAttribute('aria-busy')
  board()?.classList.remove('is-saving')
  setSorting(true)
  sending = null
  release()
}

// Before anything of a refusal is swapped in, the card is where it was.
document.addEventListener(
  'htmx:beforeSwap',
  (event) => {
    if (!isOurs(event)) return
    if (event.detail.xhr.status === 200) sending.done = true
    else putBack(sending)
  },
  true,
)

for (const name of ['htmx:sendError', 'htmx:timeout', 'htmx:sendAbort']) {
  document.addEventListener(
    name,
    (event) => {
      if (!isOurs(event)) return
      const move = sending
      putBack(move)
      event.detail.told = true
      notify(`The server could not be reached. ${nameOf(move.card)} is back in ${columnOf(move.home)?.dataset.name}; try again.`, 'error')
    },
    true,
  )
}

function isOurs(event) {
  const request = event.detail.requestConfig ?? event.detail.pathInfo
  return sending !== null && !sending.done && (request?.path ?? request?.requestPath) === sending.path
}

// A long press must not open the browser's own menu over the card.
document.addEventListener('contextmenu', (event) => {
  if (event.pointerType === 'touch' && event.target.closest?.('#board .card')) event.preventDefault()
})

document.addEventListener('htmx:load', (event) => makeDraggable(event.detail.elt))
if (board()) makeDraggable(board())
