// Who the visitor is and which conversation is open. The browser keeps the login's cookie, which no script can read, so
// only that there is one is noted here; an API key lives in sessionStorage (gone with the tab). The conversation's id
// stands in the address (`#c=…`) and, for a bare address, in localStorage. Caller: the page.

const KEY = "caddie.key";
const SIGNED_IN = "caddie.signedIn";
const CONVERSATION = "caddie.conversation";
const CONVERSATION_FORM = /^[A-Za-z0-9_.:-]{1,128}$/;

export function storedKey(): string | null {
  return sessionStorage.getItem(KEY);
}

export function keepKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

/** Whether this browser has signed in and not out; the cookie may have ended since. */
export function signedIn(): boolean {
  return localStorage.getItem(SIGNED_IN) !== null;
}

export function keepSignedIn(): void {
  localStorage.setItem(SIGNED_IN, "1");
}

export function forgetVisitor(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(SIGNED_IN);
}

/** Calls back when another tab of this browser has signed out. */
export function onSignedOutElsewhere(told: () => void): void {
  window.addEventListener("storage", (event) => {
    if (event.key === SIGNED_IN && event.newValue === null) told();
  });
}

/** The conversation the address or the last visit names. */
export function namedConversation(): string | null {
  const named = new URLSearchParams(location.hash.slice(1)).get("c") ?? localStorage.getItem(CONVERSATION) ?? "";
  return CONVERSATION_FORM.test(named) ? named : null;
}

export function keepConversation(id: string): void {
  localStorage.setItem(CONVERSATION, id);
  const hash = `#c=${encodeURIComponent(id)}`;
  // replaceState fires no hashchange, which would open the conversation a second time.
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

/** A random UUID4. `crypto.randomUUID` exists only on https and localhost, this everywhere. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
