// A choice in a filter applies at once; on the page that follows, the focus is where it was.
const PLACE = 'filter-focus'

document.addEventListener('change', (event) => {
  const form = event.target.closest('form.filterbar')
  // A filter that swaps its list in place asks for itself; a date is typed in parts.
  if (!form || form.matches('[hx-get]') || event.target.tagName !== 'SELECT') return
  sessionStorage.setItem(PLACE, event.target.id)
  form.requestSubmit()
})

const place = sessionStorage.getItem(PLACE)
if (place) {
  sessionStorage.removeItem(PLACE)
  document.getElementById(place)?.focus({ preventScroll: true })
}
