// The server: calls, one after the other, that are sent again until they arrive.

// From the address; kept here alone.
const token = new URLSearchParams(location.search).get("token") ?? "";

// Which of the rater's windows this is.
const here = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Milliseconds: until an answer must come; between attempts.
const PATIENCE = 10000;
const PAUSES = [300, 600, 1200, 2500, 5000];

function imageAddress(id) {
  return `/image/${encodeURIComponent(id)}?token=${encodeURIComponent(token)}`;
}

// Makes a call. Rejects with {refused} where the server says no, and {gone} where it does not answer.
async function call(name, body) {
  let response;
  try {
    response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Moa-Token": token },
      body: JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw { gone: "the server does not answer" };
  }
  let reply = null;
  try {
    reply = await response.json();
  } catch {
    throw { gone: "the server's answer is cut off" };
  }
  if (response.ok) return reply;
  // A full disk, a slow request: worth another attempt.
  const reason = reply?.error ?? `status ${response.status}`;
  if ([408, 500, 503].includes(response.status)) throw { gone: reason };
  throw { refused: reason, status: response.status };
}

function leave(body) {
  const headers = { "Content-Type": "application/json", "X-Moa-Token": token };
  fetch("/api/leave", { method: "POST", headers, body: JSON.stringify(body), keepalive: true }).catch(() => {});
}
