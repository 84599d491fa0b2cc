// Selecting rows of a list: the whole page at once, a run of rows with Shift, and how many are selected. Without it the boxes
// are ticked one by one.
const form = document.querySelector('[data-selection]')

if (form) {
  const boxes = () => [...form.querySelectorAll('input[name="card"]')]
  const whole = form.querySelector('[data-select-page]')
  const counter = form.querySelector('[data-selected]')
  let last = null

  const show = () => {
    if (!whole) return
    const all = boxes()
    const picked = all.filter((box) => box.checked).length
    const box = whole.querySelector('input')
    box.checked = picked > 0 && picked === all.length
    box.indeterminate = picked > 0 && picked < all.length
    counter.textContent = picked ? `${picked} selected` : ''
  }

  form.addEventListener('click', (event) => {
    if (event.target.name !== 'card') return
    const all = boxes()
    if (event.shiftKey && last?.isConnected) {
      const [from, to] = [all.indexOf(last), all.indexOf(event.target)].sort((one, other) => one - other)
      for (const box of all.slice(from, to + 1)) box.checked = event.target.checked
    }
    last = event.target
  })
  form.addEventListener('change', (event) => {
    if (whole?.contains(event.target)) for (const box of boxes()) box.checked = event.target.checked
    show()
  })
  if (whole) whole.hidden = false
  // A browser that comes back to the page may have kept what was ticked.
  window.addEventListener('pageshow', show)
  show()
}
