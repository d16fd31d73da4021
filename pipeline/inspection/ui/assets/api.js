// Calls to the server.

/** An answer that is not what was asked for; `message` is the server's own text, `status` 0 without an answer. */
export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** A path below /api, each part escaped. */
export function path(...parts) {
  return "/api/" + parts.map(encodeURIComponent).join("/");
}

/**
 * GET as JSON.
 * @param {string} url from `path`
 * @param {URLSearchParams|object} [query]
 * @param {AbortSignal} [signal]
 * @throws {CallError}
 */
export async function get(url, query, signal) {
  const text = query ? new URLSearchParams(query).toString() : "";
  return call(text ? `${url}?${text}` : url, { signal });
}

/** POST of a JSON body; returns what the server stored. Throws CallError. */
export async function post(url, body) {
  const headers = { "Content-Type": "application/json", "X-Berry": "1" };
  return call(url, { method: "POST", headers, body: JSON.stringify(body) });
}

async function call(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError("the server does not answer. Is berry ui still running?", 0);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  throw new CallError(answer?.error ?? `the server answered with status ${response.status}`, response.status);
}
