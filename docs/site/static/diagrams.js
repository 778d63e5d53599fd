// Draws the diagrams of a page, in the colours that the reader has chosen.
const dark = document.body.dataset.theme === 'dark' ||
  (document.body.dataset.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
mermaid.initialize({ startOnLoad: true, securityLevel: 'strict', theme: dark ? 'dark' : 'default' })
