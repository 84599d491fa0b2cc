// The board by keyboard: arrows walk, Enter opens, M moves, N adds, / filters, ? shows the keys.
const board = document.getElementById('board')

function isTyping(event) {
  const element = event.target
  return element instanceof Element && element.closest('input, textarea, select, [contenteditable], details[open] .menu-items')
}

function isElsewhere() {
  const focus = document.activeElement
  return !(focus === document.body || focus?.id === 'main' || board.contains(focus))
}

function currentCard() {
  return document.activeElement?.closest?.('#board .card') ?? null
}

function columnsWithCards() {
  return [...board.querySelectorAll('.column:not(.is-collapsed)')].filter((column) => column.querySelector('.card'))
}

function go(card) {
  if (!card) return
  card.focus({ preventScroll: true })
  card.scrollIntoView({ block: 'nearest', inline: 'nearest' })
}

function beside(card, step) {
  const columns = columnsWithCards()
  const column = columns[columns.indexOf(card.closest('.column')) + step]
  if (!column) return null
  const middle = (element) => element.getBoundingClientRect().top + element.offsetHeight / 2
  const height = middle(card)
  return [...column.querySelectorAll('.card')].reduce((best, other) =>
    Math.abs(middle(other) - height) < Math.abs(middle(best) - height) ? other : best,
  )
}

function above(card, step) {
  let next = step > 0 ? card.nextElementSibling : card.previousElementSibling
  while (next && !next.matches('.card')) {
    // The loader of the next page comes into view and loads.
    if (next.matches('.column-more')) next.scrollIntoView({ block: 'nearest' })
    next = step > 0 ? next.nextElementSibling : next.previousElementSibling
  }
  return next
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return
  if (document.querySelector('dialog[open], .drawer-slot > *')) return
  const card = currentCard()
  const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (step) {
    if (isElsewhere()) return
    const vertical = event.key === 'ArrowUp' || event.key === 'ArrowDown'
    go(!card ? columnsWithCards()[0]?.querySelector('.card') : vertical ? above(card, step) : beside(card, step))
    event.preventDefault()
  } else if (event.key === 'Enter' && event.target === card) {
    card.querySelector('.card-title a').click()
    event.preventDefault()
  } else if (event.key.toLowerCase() === 'm' && card) {
    card.querySelector('.card-move').click()
    event.preventDefault()
  } else if (event.key.toLowerCase() === 'n') {
    const column = card?.closest('.column')
    const add = column?.querySelector('.column-add') ?? board.querySelector('.column-add')
    if (!add) return
    add.click()
    event.preventDefault()
  } else if (event.key === '/') {
    const filter = document.querySelector('[data-board-filter]') ?? document.getElementById('search-q')
    filter?.focus()
    filter?.select()
    event.preventDefault()
  } else if (event.key === '?') {
    document.getElementById('board-keys')?.showModal()
    event.preventDefault()
  }
}

// Esc in the filter goes back to the board.
function leaveFilter(event) {
  if (event.key === 'Escape' && event.target.matches?.('[data-board-filter]')) go(board.querySelector('.column:not(.is-collapsed) .card'))
}

if (board) {
  document.addEventListener('keydown', onKey)
  document.addEventListener('keydown', leaveFilter)
}
