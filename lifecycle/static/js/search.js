// The list under the search box: arrows walk it, Esc and a click elsewhere close it, and what comes too late stays away.
const box = document.getElementById('search-q')
const drop = document.getElementById('search-drop')

function entries() {
  return [...drop.querySelectorAll('a')]
}

function close() {
  drop.replaceChildren()
}

if (box && drop) {
  box.form.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && drop.hasChildNodes()) {
      close()
      box.focus()
      event.preventDefault()
      event.stopPropagation()
      return
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const all = entries()
    if (!all.length) return
    const at = all.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)
    // Up from the first entry goes back to the box; up from the box goes to the last one.
    if (at === -1) box.focus()
    else (all[at === -2 ? all.length - 1 : at] ?? all[0]).focus()
    event.preventDefault()
  })

  document.addEventListener('click', (event) => {
    if (!box.form.contains(event.target)) close()
  })
  box.form.addEventListener('focusout', (event) => {
    if (event.relatedTarget && !box.form.contains(event.relatedTarget)) close()
  })
  box.addEventListener('input', () => {
    if (!box.value.trim()) close()
  })
  // An answer to what is no longer in the box is thrown away.
  drop.addEventListener('htmx:beforeSwap', (event) => {
    if (!box.value.trim() || !box.form.contains(document.activeElement)) event.detail.shouldSwap = false
  })
}
