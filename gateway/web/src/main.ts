// Entry: sign-in or the page, and which conversation is open. The only module with state of its own.
import { currentConversation, forgetKey, keepConversation, keepKey, newId, storedKey } from "./identity";
import { HttpError, issueSession, type Session } from "./session";
import { Page } from "./page";
import { SignIn } from "./view/signin";

const root = document.getElementById("app")!;
const signIn = new SignIn(enter);
let page: Page | null = null;

function openPage(key: string, conversation: string, session?: Session): void {
  page?.close();
  keepConversation(conversation);
  page = new Page(key, conversation, { newConversation: () => openPage(key, newId()), signOut });
  root.replaceChildren(page.element);
  page.start(session);
}

function signOut(reason = ""): void {
  page?.close(true);
  page = null;
  forgetKey();
  root.replaceChildren(signIn.element);
  signIn.show(reason);
}

/** Tries a key; answers with the reason it cannot be used, or "". */
async function enter(key: string): Promise<string> {
  try {
    const [conversation, session] = await firstSession(key);
    keepKey(key);
    openPage(key, conversation, session);
    return "";
  } catch (error) {
    if (error instanceof HttpError) return error.message;
    throw error;
  }
}

/** A session in the last conversation, or in a new one when the last one is somebody else's. */
async function firstSession(key: string): Promise<[string, Session]> {
  const conversation = currentConversation();
  try {
    return [conversation, await issueSession(key, conversation)];
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 404) throw error;
    const fresh = newId();
    return [fresh, await issueSession(key, fresh)];
  }
}

window.addEventListener("hashchange", () => {
  const key = storedKey();
  if (page && key) openPage(key, currentConversation());
});

const key = storedKey();
if (key) openPage(key, currentConversation());
else signOut();
