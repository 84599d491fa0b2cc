// The form under a column's header: takes the focus when it comes, closes on Esc or [data-quick-close], and stays open for the
// next card because the server answers with an empty one.
document.addEventListener('htmx:afterSettle', (event) => {
  const place = event.target.closest?.('.column-new')
  if (!place || place.contains(document.activeElement)) return
  place.querySelector('[autofocus], .has-error :is(input, select), input:not([type="hidden"])')?.focus()
})

function close(place) {
  place.replaceChildren()
  place.closest('.column').querySelector('.column-add')?.focus()
}

document.addEventListener('keydown', (event) => {
  const place = event.key === 'Escape' && event.target.closest?.('.column-new')
  if (!place) return
  event.preventDefault()
  close(place)
})

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element && event.target.closest('[data-quick-close]')
  const place = button && button.closest('.column-new')
  if (!place) return
  event.preventDefault()
  close(place)
})
