// Moves a card's picture from where it was to where it is now. The card itself is in place from the start, so nothing waits for it.
const calm = window.matchMedia('(prefers-reduced-motion: reduce)')

// `from` is a DOMRect. A card that cannot be seen now (folded column) shrinks into `fallback`, an element.
export function fly(card, from, fallback) {
  const to = visibleRect(card) ?? fallback?.getBoundingClientRect()
  if (calm.matches || !to || !from || !from.width || !inWindow(from, to)) return
  if (Math.abs(from.left - to.left) < 2 && Math.abs(from.top - to.top) < 2) return
  const picture = card.cloneNode(true)
  for (const element of [picture, ...picture.querySelectorAll('[id]')]) element.removeAttribute('id')
  for (const name of ['data-card', 'data-visit', 'tabindex']) picture.removeAttribute(name)
  picture.inert = true
  picture.setAttribute('aria-hidden', 'true')
  Object.assign(picture.style, {
    position: 'fixed', left: `${to.left}px`, top: `${to.top}px`, width: `${from.width}px`, margin: 0, zIndex: 45,
    pointerEvents: 'none',
  })
  document.body.append(picture)
  // Not visibility: a hidden element would lose the focus.
  card.style.opacity = '0'
  const motion = picture.animate(
    [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: 'none' }],
    { duration: 240, easing: 'cubic-bezier(0.2, 0.7, 0.2, 1)' },
  )
  const finish = () => {
    picture.remove()
    card.style.removeProperty('opacity')
  }
  motion.onfinish = finish
  motion.oncancel = finish
}

export function visibleRect(card) {
  const rect = card.getBoundingClientRect()
  return rect.width ? rect : null
}

function inWindow(...rects) {
  return rects.some((rect) => rect.right > 0 && rect.left < innerWidth && rect.bottom > 0 && rect.top < innerHeight)
}
