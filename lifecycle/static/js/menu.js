// A menu closes on a click elsewhere, on Esc, and when another opens. Arrows walk its entries.
const OPEN = 'details[data-menu][open]'

function home(menu) {
  return menu.matches('.nav-fold') ? menu.closest('nav') : menu
}

document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (!home(menu).contains(event.target)) menu.open = false
  }
})

document.addEventListener(
  'keydown',
  (event) => {
    const menu = document.activeElement?.closest(OPEN) ?? document.querySelector(OPEN)
    if (!menu) return
    if (event.key === 'Escape') {
      menu.open = false
      menu.querySelector('summary').focus()
      event.stopImmediatePropagation()
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const entries = [...menu.querySelectorAll('.menu-item, form button')].filter((entry) => entry.checkVisibility())
      if (!entries.length || !menu.contains(document.activeElement)) return
      const step = event.key === 'ArrowDown' ? 1 : -1
      const at = entries.indexOf(document.activeElement)
      entries[at === -1 ? (step > 0 ? 0 : entries.length - 1) : (at + step + entries.length) % entries.length].focus()
      event.preventDefault()
    }
  },
  true,
)
