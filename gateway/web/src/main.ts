// Entry: sign-in or the page, and which conversation is open. The only module with state of its own.
import { forgetVisitor, keepConversation, keepKey, keepSignedIn, namedConversation, onSignedOutElsewhere, signedIn, storedKey } from "./identity";
import { HttpError } from "./http";
import { Page } from "./page";
import type { Session } from "./session";
import { CookieVisitor, KeyVisitor, type Visitor } from "./visitor";
import { SignIn } from "./view/signin";

const root = document.getElementById("app")!;
const signIn = new SignIn({
  login: (email, password) => enter(() => CookieVisitor.signIn(email, password), keepSignedIn),
  key: (key) => enter(async () => new KeyVisitor(key), () => keepKey(key)),
});
let visitor: Visitor | null = null;
let page: Page | null = null;
let leaving: Promise<void> = Promise.resolve();

function openPage(who: Visitor, conversation: string, session: Session): void {
  page?.close();
  visitor = who;
  keepConversation(conversation);
  page = new Page(who, conversation, { newConversation: () => void open(who, null), signOut });
  root.replaceChildren(page.element);
  page.start(session);
}

function signOut(reason = ""): void {
  if (page) leaving = page.leave();
  forgetVisitor();
  showSignIn(reason);
}

function showSignIn(reason: string): void {
  page?.close();
  page = visitor = null;
  root.replaceChildren(signIn.element);
  signIn.show(reason);
}

/** Signs somebody in; answers with the reason why not, or "". */
async function enter(visitorOf: () => Promise<Visitor>, keep: () => void): Promise<string> {
  try {
    // The answer to a sign-out takes the cookie away: it must not take the next one.
    await leaving;
    const who = await visitorOf();
    const [conversation, session] = await conversationOf(who, namedConversation());
    keep();
    openPage(who, conversation, session);
    return "";
  } catch (error) {
    if (error instanceof HttpError) return error.message;
    throw error;
  }
}

/** Opens a conversation, or a new one (null); what is refused leads back to the sign-in page. */
async function open(who: Visitor, named: string | null): Promise<void> {
  try {
    openPage(who, ...(await conversationOf(who, named)));
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    if (error.status === 401) signOut(error.message);
    else if (page) page.say(error.message);
    else signIn.show(error.message);
  }
}

/** A session in the named conversation, or in a new one when there is none of this name for this visitor. */
async function conversationOf(who: Visitor, named: string | null): Promise<[string, Session]> {
  if (named !== null) {
    try {
      return [named, await who.session(named)];
    } catch (error) {
      if (!(error instanceof HttpError) || (error.status !== 404 && error.status !== 403)) throw error;
    }
  }
  const fresh = await who.begin();
  return [fresh, await who.session(fresh)];
}

window.addEventListener("hashchange", () => {
  if (page && visitor) void open(visitor, namedConversation());
});

onSignedOutElsewhere(() => {
  if (visitor instanceof CookieVisitor) showSignIn("You have signed out in another tab.");
});

const key = storedKey();
root.replaceChildren(signIn.element);
if (key) void open(new KeyVisitor(key), namedConversation());
else if (signedIn()) void open(new CookieVisitor(), namedConversation());
else signIn.show();
