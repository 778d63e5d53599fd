// A network that a story can cut, as a cellar does: what is on its way is lost, what comes later finds nothing.
export class Network {
  #cut = null
  #here = new AbortController()

  cut() {
    this.#cut = new TypeError('fetch failed: no network')
    this.#here.abort(this.#cut)
  }

  mend() {
    this.#cut = null
    this.#here = new AbortController()
  }

  fetch = async (address, init = {}) => {
    if (this.#cut) throw this.#cut
    const signals = [this.#here.signal, init.signal].filter(Boolean)
    return fetch(address, { ...init, signal: AbortSignal.any(signals) })
  }
}
