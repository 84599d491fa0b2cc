// A choice in a filter applies at once; on the page that follows, the focus is where it was.
const PLACE = 'filter-focus'

document.addEventListener('change', (event) => {
  const form = event.target.closest('form.filterbar')
  // A filter that swaps its list in place asks for itself; a date is typed in parts.
  if (!form || form.matches('[hx-get]') || event.target.tagName !== 'SELECT') return
  sessionStorage.setItem(PLACE, event.target.id)
  form.requestSubmit()
})

// An address that is handed on says what was chosen, and no more.
document.addEventListener('formdata', (event) => {
  if (!event.target.matches('form.filterbar')) return
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name)
})

const place = sessionStorage.getItem(PLACE)
if (place) {
  sessionStorage.removeItem(PLACE)
  const control = document.getElementById(place)
  control?.focus({ preventScroll: true })
  // On a phone the filter is one row that is moved sideways.
  control?.scrollIntoView({ block: 'nearest', inline: 'center' })
}
