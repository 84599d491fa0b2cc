// Says a sentence to a screen reader, politely. Pages with a board have the element for it.
export function announce(sentence) {
  const place = document.getElementById('board-says')
  if (!place) return
  place.textContent = ''
  // An equal sentence twice in a row is spoken again only when the text was gone in between.
  requestAnimationFrame(() => {
    place.textContent = sentence
  })
}
