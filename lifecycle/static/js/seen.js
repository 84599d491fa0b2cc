// The last cards and accounts that somebody opened. This browser keeps their ids alone, for each user apart, until they log out;
// names come from the server, which says only what this person may read.
const PREFIX = 'lifecycle.seen.'
const MOST = 10
const MARK = /^(card|account):[0-9a-f-]{36}$/
const user = document.body.dataset.user

export function seen() {
  try {
    const kept = JSON.parse(localStorage.getItem(PREFIX + user) ?? '[]')
    return Array.isArray(kept) ? kept.filter((mark) => MARK.test(mark)).slice(0, MOST) : []
  } catch {
    // No storage, or nothing that we wrote.
    return []
  }
}

function keep(mark) {
  const kept = seen()
  if (!MARK.test(mark) || kept[0] === mark) return
  try {
    localStorage.setItem(PREFIX + user, JSON.stringify([mark, ...kept.filter((other) => other !== mark)].slice(0, MOST)))
  } catch {
    // Without storage nothing is remembered.
  }
}

function forget() {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key)
  } catch {
    // Nothing was kept.
  }
}

function look() {
  for (const shown of document.querySelectorAll('[data-seen]')) keep(shown.dataset.seen)
}

async function list(place) {
  const marks = seen()
  if (!marks.length) return
  const address = `${place.dataset.seenList}?${new URLSearchParams({ seen: marks.join(',') })}`
  const response = await fetch(address, { headers: { 'HX-Request': 'true' } }).catch(() => null)
  if (!response?.ok) return
  place.innerHTML = await response.text()
  place.hidden = !place.firstElementChild
}

if (user) {
  for (const place of document.querySelectorAll('[data-seen-list]')) list(place)
  look()
  // A card that opens in the drawer was seen too.
  document.addEventListener('htmx:afterSettle', look)
  document.addEventListener('submit', (event) => {
    if (event.target.matches('form[action="/logout"]')) forget()
  })
}
