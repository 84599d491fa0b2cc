// The stage bar of a phone: a tap goes to the column, and the bar shows which one is in front.
const board = document.getElementById('board')
const bar = document.querySelector('.stage-bar')

if (board && bar) {
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)')
  bar.addEventListener('click', (event) => {
    const jump = event.target.closest('[data-stage-jump]')
    if (!jump) return
    event.preventDefault()
    document.getElementById(`column-${jump.dataset.stageJump}`)?.scrollIntoView({
      inline: 'center', block: 'nearest', behavior: calm.matches ? 'auto' : 'smooth',
    })
  })

  const show = (stage) => {
    for (const jump of bar.querySelectorAll('[data-stage-jump]')) {
      if (jump.dataset.stageJump === stage) {
        jump.setAttribute('aria-current', 'true')
        bar.scrollTo({ left: jump.offsetLeft - (bar.clientWidth - jump.offsetWidth) / 2, behavior: 'auto' })
      } else jump.removeAttribute('aria-current')
    }
  }
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) show(entry.target.dataset.stage)
    },
    { root: board, threshold: 0.6 },
  )
  for (const column of board.querySelectorAll('.column')) observer.observe(column)
}
