// Puts cards where the server says they are. A move, an undo and the live stream answer alike: column headers as out-of-band
// swaps (htmx does those) and <template data-place-card> or <template data-remove-card>, which are handled here whatever the
// target of the request was.
import htmx from 'htmx.org'
import { announce } from './announce.js'
import { fly, visibleRect } from './motion.js'

const MARKED_FOR = 5000
const TEMPLATES = 'template[data-place-card], template[data-remove-card]'
const waiting = new WeakMap()
let held = []

// Splits an answer into the templates for this file and the HTML for htmx.
export function take(html) {
  if (!html.includes('data-place-card') && !html.includes('data-remove-card')) return { templates: [], rest: html }
  const holder = document.createElement('template')
  holder.innerHTML = html
  const templates = [...holder.content.querySelectorAll(TEMPLATES)]
  for (const template of templates) template.remove()
  return { templates, rest: holder.innerHTML }
}

export function place(templates) {
  const board = document.getElementById('board')
  if (!board || !templates.length) return
  // Nothing moves under a card in the hand.
  if (board.classList.contains('is-lifting')) {
    held.push(...templates)
    return
  }
  const moved = templates.map((template) => (template.hasAttribute('data-place-card') ? placeCard(template) : removeCard(template)))
  const said = moved.filter(Boolean)
  if (said.length > 2) announce(`${said.length} cards moved`)
  else if (said.length) announce(said.join('. '))
}

export function release() {
  const templates = held
  held = []
  place(templates)
}

function placeCard(template) {
  const { stage, before, version, lane, card: cardId } = template.dataset
  const fresh = document.importNode(template.content, true).querySelector('.card')
  if (!fresh) return null
  const old = document.getElementById(fresh.id)
  const list = listOf(stage, lane, old)
  if (old) {
    if (Number(version) < Number(old.dataset.version)) return null
    const there = old.dataset.version === version && (list ? list.contains(old) : false)
    if (there && old.getAttribute('aria-busy') !== 'true' && old.innerHTML === fresh.innerHTML) return null
  }
  if (!list) {
    old?.remove()
    return null
  }
  const from = old && visibleRect(old)
  const cameFrom = old?.dataset.cardStage
  const focused = old?.contains(document.activeElement)
  old?.remove()
  list.insertBefore(fresh, placeInList(list, before, cardId))
  htmx.process(fresh)
  if (focused) fresh.focus({ preventScroll: true })
  fly(fresh, from, document.getElementById(`column-header-${stage}`))
  if (fresh.classList.contains('is-moved')) setTimeout(() => unmark(fresh), MARKED_FOR)
  if (cameFrom === stage || !old) return null
  const column = list.closest('.column')
  if (focused) fresh.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  return `${nameOf(fresh)} moved to ${column.dataset.name}`
}

// On a board in lanes a card stands where its lane crosses the stage; an answer that names no lane leaves it in its own.
export function listOf(stage, lane, card) {
  const lanes = document.querySelectorAll('#board .lane')
  if (!lanes.length) return document.getElementById(`column-cards-${stage}`)
  const own = lane === undefined ? card?.closest('.lane') : [...lanes].find((each) => each.dataset.lane === lane)
  return own?.querySelector(`[data-stage="${CSS.escape(stage)}"] > .column-cards`) ?? null
}

// A card that follows one not loaded yet stands last among the loaded ones, where it is seen.
function placeInList(list, before, cardId) {
  const next = before && before !== cardId ? document.getElementById(`card-${before}`) : null
  if (next?.parentElement === list) return next
  return list.querySelector(':scope > .column-more, :scope > .column-empty')
}

function removeCard(template) {
  document.getElementById(`card-${template.dataset.card}`)?.remove()
  return null
}

function unmark(card) {
  card.classList.remove('is-moved')
  card.querySelector('.card-mover')?.remove()
}

export function nameOf(card) {
  const account = card.querySelector('.card-account')?.textContent.trim()
  const title = card.querySelector('.card-title')?.textContent.trim()
  return [account, title].filter(Boolean).join(' - ')
}

document.addEventListener('htmx:beforeSwap', (event) => {
  if (!event.detail.shouldSwap || typeof event.detail.serverResponse !== 'string') return
  const { templates, rest } = take(event.detail.serverResponse)
  if (!templates.length) return
  waiting.set(event.detail.xhr, templates)
  event.detail.serverResponse = rest
})
document.addEventListener('htmx:afterRequest', (event) => {
  const templates = waiting.get(event.detail.xhr)
  if (!templates) return
  waiting.delete(event.detail.xhr)
  place(templates)
})

// A page of more cards may hold one that came by itself in the meantime: the one the server sent last stays.
document.addEventListener('htmx:afterSwap', (event) => {
  const list = event.target.closest?.('.column-cards')
  if (!list) return
  const seen = new Map()
  for (const card of list.querySelectorAll(':scope > .card')) {
    seen.get(card.id)?.remove()
    seen.set(card.id, card)
  }
})

for (const card of document.querySelectorAll('.card.is-moved')) setTimeout(() => unmark(card), MARKED_FOR)
