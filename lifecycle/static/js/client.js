import './signature-pad.js'

// Saves what a client types, a moment after they stop, question by question; shows what their answers open.
// Without it the page's own buttons do the same.
const form = document.querySelector('form[data-autosave]')
const REST = 900
const AGAIN = 5000

if (form) {
  const status = form.querySelector('[data-saved]')
  const waiting = new Set()
  let timer, isSaving = false, isLeaving = false

  form.addEventListener('input', note)
  form.addEventListener('change', note)
  form.addEventListener('submit', (event) => {
    // Sent once; a file must not be uploaded twice by a second press.
    if (isLeaving) event.preventDefault()
    isLeaving = true
    clearTimeout(timer)
    // Without a network the page stays: then it must be possible to press again.
    setTimeout(() => { isLeaving = false }, 8000)
  })
  addEventListener('pageshow', () => { isLeaving = false })
  document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden' && !isLeaving) save(true) })

  function note(event) {
    const question = event.target.closest('[data-question]')
    if (!question) return
    if (event.target.type === 'file') return refuseTooLarge(event.target, question)
    waiting.add(question)
    plan(REST)
  }

  // Before it is sent: the whole page would be refused, with what was just typed on it.
  function refuseTooLarge(input, question) {
    const large = [...input.files].find((file) => file.size > Number(input.dataset.most))
    mark(question, large ? input.dataset.tooLarge.replace('{name}', large.name) : '')
    if (large) input.value = ''
  }

  function plan(delay) {
    clearTimeout(timer)
    timer = setTimeout(save, delay)
  }

  async function save(keepalive = false) {
    if (isSaving || isLeaving || !waiting.size) return
    isSaving = true
    const sent = [...waiting]
    waiting.clear()
    try {
      const answer = await fetch(form.dataset.autosave, {
        method: 'POST', body: dataOf(sent), headers: { Accept: 'application/json' }, keepalive: keepalive === true,
      })
      if (answer.status === 404 || answer.status === 409) return stop()
      if (!answer.ok) throw new Error(answer.status)
      show(await answer.json(), sent)
    } catch {
      sent.forEach((question) => waiting.add(question))
      status.textContent = status.dataset.trouble
      plan(AGAIN)
      return
    } finally {
      isSaving = false
    }
    if (waiting.size) plan(REST)
  }

  function dataOf(questions) {
    const data = new FormData()
    for (const name of ['csrf_token', 'edition', 'sheet', 'spoken', 'page']) data.set(name, form.elements[name].value)
    for (const question of questions) {
      for (const control of question.querySelectorAll('[name]')) {
        if (['file', 'submit'].includes(control.type)) continue
        if (['checkbox', 'radio'].includes(control.type) && !control.checked) continue
        data.append(control.name, control.value)
      }
    }
    return data
  }

  function show(found, sent) {
    for (const question of form.querySelectorAll('[data-question]')) question.hidden = !found.asked.includes(question.dataset.question)
    for (const section of form.querySelectorAll('[data-section]'))
      section.hidden = ![...section.querySelectorAll('[data-question]')].some((question) => !question.hidden)
    for (const question of sent) {
      const key = question.dataset.question
      const sentences = Object.entries(found.errors).filter(([name]) => name.split('-')[0] === key).map(([, text]) => text)
      mark(question, sentences.join(' '))
      // They have read now what somebody else wrote there meanwhile; saved again, theirs counts.
      if (found.conflicts.includes(key)) see(question, key, found.edition)
    }
    status.textContent = status.dataset.words.replace('{time}', timeNow())
  }

  // By the page's language, and of its places the one that the browser knows; in the digits of the page.
  function timeNow() {
    const { lang } = document.documentElement
    const place = navigator.languages.find((each) => each.split('-')[0] === lang) ?? lang
    return new Date().toLocaleTimeString(place, { hour: '2-digit', minute: '2-digit', numberingSystem: 'latn' })
  }

  // Where the page itself puts it: under the label and the help. What it said before is over.
  function mark(question, text) {
    const field = question.querySelector('.field')
    question.querySelectorAll('.field-error').forEach((line) => line.remove())
    if (!text) question.querySelectorAll('.has-error').forEach((part) => part.classList.remove('has-error'))
    field.classList.toggle('has-error', Boolean(text))
    if (!text) return
    const line = document.createElement('p')
    line.className = 'field-error'
    line.textContent = text
    ;[...field.querySelectorAll(':scope > .field-label, :scope > .field-help')].at(-1).after(line)
  }

  // In the page, so that its own buttons send it too.
  function see(question, key, edition) {
    const seen = form.elements[`seen-${key}`] ?? question.appendChild(document.createElement('input'))
    Object.assign(seen, { type: 'hidden', name: `seen-${key}`, value: edition })
  }

  function stop() {
    status.textContent = status.dataset.gone
    waiting.clear()
  }
}
