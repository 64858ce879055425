"""What each template of the library is run with, and what has to come of it: for ``test_templates_run``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HITS = [
    {"title": "Solar power grows", "url": "https://news.example/solar", "content": "Solar power grew by 20 % in 2025."},
    {"title": "Wind is cheap", "url": "https://news.example/wind", "content": "Wind farms sell power at 4 cents."},
]
BAD_HITS = [
    {"title": "Acme is terrible", "url": "https://blog.example/acme", "content": "Awful service, I hate it, a scam."},
    {"title": "Never again Acme", "url": "https://blog.example/never", "content": "Broken, rude, the worst purchase."},
]


@dataclass(frozen=True)
class Run:
    """One execution.

    given: body of the webhook, text of the chat message, or inputs. site: what the node is answered: JSON, a text or
    a status; None: the connection breaks. hits: of the web search. skipped: nodes, all others have to succeed, but for
    `failed`. told: by effect (node, or path/node in a loop), what has to stand in what arrived; others arrive all the
    same. says: what the reply in the chat holds.
    """

    given: Any = None
    site: Mapping[str, Any] = field(default_factory=dict)
    hits: list[dict[str, str]] = field(default_factory=lambda: HITS)
    answers: tuple[Any, ...] = ()
    skipped: str = ""
    failed: str = ""
    told: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    says: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


YES: Any = {"approved": True, "comment": "go ahead"}
NO: Any = {"approved": False, "comment": "too expensive"}
PAGE = "<html><body>Lamp. Price: 49 EUR</body></html>"
INVOICE = "Invoice number: 2026-117\nSupplier: Lumen GmbH\nAmount: {} EUR\nCurrency: EUR\nDue: 2026-12-24\nThank you."
RECEIPT = "Vendor: Grand Hotel\nDate: 2026-11-20\nAmount: 240 EUR\nCurrency: EUR\nCategory: travel"
LEAD = (
    "My name is Ada Byron from Analytical Ltd. We need 40 licences by March and our budget is 12000 EUR. "
    "Please call, urgent!"
)
RESUME = "Name: Ada Byron\nEmail: ada@example.com\nYears: 7\nSkills: Python, SQL\nI built engines for seven years."

CASES: dict[str, tuple[Run, ...]] = {
    # data
    "api-sync-on-change": (
        Run(
            site={"source": {"v": 1}},
            skipped="same",
            told={"target": '{"v":1}'},
            variables={"last": {"body": {"v": 1}}},
        ),
        Run(site={"source": {"v": 1}}, skipped="target remember"),
        Run(
            site={"source": {"v": 2}},
            skipped="same",
            told={"target": '{"v":2}'},
            variables={"last": {"body": {"v": 2}}},
        ),
    ),
    "merge-two-sources": (
        Run(
            site={
                "first": [{"id": 1, "status": "active"}],
                "second": [{"id": 2, "status": "inactive"}, {"id": 3, "status": "new"}],
            },
            told={"post": '{"count":2,"items":[{"id":1,"status":"active"},{"id":3,"status":"new"}]}'},
        ),
    ),
    "contact-extraction": (
        Run(
            "- Ada Byron, Analytical Ltd, ada@example.com, +44 20 7946 0958\n- Bob Ray, Ray Inc, bob@example.com",
            skipped="none",
            says="",
        ),
        Run("Nothing to see here, just the weather.", skipped="show reply", says="no contacts"),
    ),
    "daily-kpi-report": (
        Run(
            site={"figures": {"orders": 12, "revenue": 340}},
            told={"post": "Numbers of the day"},
            variables={"yesterday": {"orders": 12, "revenue": 340}},
        ),
        Run(
            site={"figures": {"orders": 15, "revenue": 300}},
            told={"post": "Numbers of the day"},
            variables={"yesterday": {"orders": 15, "revenue": 300}},
        ),
    ),
    # devops
    "website-uptime-check": (
        Run(site={"check": "fine"}, skipped="was_up alert remember_down all_clear remember_up"),
        Run(
            site={"check": 503},
            skipped="was_down all_clear remember_up",
            told={"alert": "answers 503."},
            variables={"down": True},
        ),
        Run(site={"check": None}, failed="check", skipped="alert remember_down was_down all_clear remember_up"),
        Run(
            site={"check": "fine"},
            skipped="was_up alert remember_down",
            told={"all_clear": "back"},
            variables={"down": False},
        ),
    ),
    "release-announcement": (
        Run(
            site={
                "latest": {
                    "tag_name": "v2.0",
                    "name": "Two",
                    "html_url": "https://git.example/r/2",
                    "body": "Faster search. Fewer bugs.",
                }
            },
            told={"announce": ("**Two** is out", "https://git.example/r/2")},
            variables={"last_version": "v2.0"},
        ),
        Run(
            site={
                "latest": {"tag_name": "v2.0", "name": "Two", "html_url": "https://git.example/r/2", "body": "Faster."}
            },
            skipped="notes announce remember",
        ),
        Run(
            site={"latest": {"tag_name": "v2.1", "name": None, "html_url": "https://git.example/r/3", "body": None}},
            told={"announce": "**v2.1** is out"},
            variables={"last_version": "v2.1"},
        ),
    ),
    "github-issue-triage": (
        Run({"action": "labeled", "issue": {}}, skipped="kind label is_bug gist post"),
        Run(
            {
                "action": "opened",
                "issue": {
                    "url": "{site}/issue/7",
                    "html_url": "https://git.example/7",
                    "title": "Crash on start: exception",
                    "body": "The program crashes with an error, a bug.",
                },
            },
            told={"label": '{"labels":["bug"]}', "post": ("Bug: Crash on start", "https://git.example/7")},
        ),
        Run(
            {
                "action": "opened",
                "issue": {
                    "url": "{site}/issue/8",
                    "html_url": "https://git.example/8",
                    "title": "Question: how do I log in?",
                    "body": "Is there a manual? How do I use it?",
                },
            },
            skipped="gist post",
            told={"label": '{"labels":["question"]}'},
        ),
    ),
    "failed-build-alert": (
        Run(
            {
                "status": "failed",
                "branch": "main",
                "url": "https://ci.example/9",
                "logUrl": "{site}/failed-build-alert/log",
            },
            site={"log": "step 1 ok\nERROR: no module named x\nbuild failed"},
            skipped="count",
            told={"post": "Build of main failed: https://ci.example/9"},
        ),
        Run(
            {"status": "passed", "branch": "main", "url": "https://ci.example/10"},
            skipped="build_log errors explain post",
            variables={"good_builds": 1},
        ),
        Run(
            {"status": "passed", "branch": "main", "url": "https://ci.example/11"},
            skipped="build_log errors explain post",
            variables={"good_builds": 2},
        ),
    ),
    "deployment-approval": (
        Run(
            {"version": "1.4", "environment": "production"},
            answers=(YES, {"ok": True}),
            skipped="late stop",
            told={"deploy": '"version":"1.4"', "good": "1.4 is deployed to production."},
        ),
        Run(
            {"version": "1.4", "environment": "production"},
            answers=(YES, None),
            skipped="good stop",
            told={"deploy": "1.4", "late": "did not report back"},
        ),
        Run({"version": "1.4", "environment": "production"}, answers=(NO,), skipped="deploy finished good late"),
        Run({"version": "1.4", "environment": "production"}, answers=(None,), skipped="deploy finished good late"),
    ),
    "slow-api-monitor": (
        Run(site={"call": {"ok": True}}, skipped="count third email", variables={"failures": 0}),
        Run(site={"call": 500}, skipped="reset email", variables={"failures": 1}),
        Run(site={"call": None}, failed="call", skipped="reset email", variables={"failures": 2}),
        Run(site={"call": 502}, skipped="reset", told={"email": "Last answer: 502"}, variables={"failures": 3}),
        Run(site={"call": 502}, skipped="reset email", variables={"failures": 4}),
    ),
    # ecommerce
    "low-stock-alert": (
        Run(
            site={
                "products": [{"name": "Lamp", "stock": 2}, {"name": "Desk", "stock": 40}, {"name": "Cup", "stock": 9}]
            },
            told={"post": "2 products are low in stock:\nLamp\nCup"},
        ),
        Run(site={"products": [{"name": "Desk", "stock": 40}]}, skipped="names post"),
    ),
    "refund-approval": (
        Run(
            {"order": "A1", "amount": 20, "email": "bob@example.com", "reason": "broken"},
            skipped="ask approved large decline",
            told={"pay": '{"order":"A1","amount":20}', "confirm": "We have refunded 20."},
        ),
        Run(
            {"order": "A2", "amount": 200, "email": "bob@example.com", "reason": "broken"},
            answers=(YES,),
            skipped="small decline",
            told={"pay": '{"order":"A2","amount":200}', "confirm": "200"},
        ),
        Run(
            {"order": "A3", "amount": 200, "email": "bob@example.com", "reason": "mood"},
            answers=(NO,),
            skipped="small large pay confirm",
            told={"decline": "too expensive"},
        ),
    ),
    "order-confirmation": (
        Run(
            {"id": "B7", "email": "bob@example.com", "total": 1200, "items": [{"sku": "x", "n": 2}]},
            told={
                "confirm": "order over 1200",
                "ship": '{"order":"B7","items":[{"sku":"x","n":2}]}',
                "tell_team": "Order B7 over 1200",
            },
        ),
        Run(
            {"id": "B8", "email": "bob@example.com", "total": 12, "items": []},
            skipped="tell_team",
            told={"ship": '"items":[]'},
        ),
    ),
    "abandoned-cart": (
        Run(
            site={
                "carts": [
                    {"name": "Ada", "email": "ada@example.com", "items": ["Lamp"], "url": "https://shop.example/c/1"},
                    {"name": "Nobody"},
                    {"name": "Bob", "email": "bob@example.com", "items": ["Desk"], "url": "https://shop.example/c/2"},
                ]
            },
            told={"each:0/send": "https://shop.example/c/1", "each:1/send": "https://shop.example/c/2"},
        ),
        Run(site={"carts": []}),
    ),
    "price-drop-watch": (
        Run(
            site={"page": "Product: Lamp\nPrice: 49.90 EUR\nCurrency: EUR"},
            told={"email": ("49.9", "It was 999999 before.")},
            variables={"lowest": 49.9},
        ),
        Run(site={"page": "Product: Lamp\nPrice: 59.90 EUR\nCurrency: EUR"}, skipped="email remember"),
        Run(
            site={"page": "Product: Lamp\nPrice: 39 EUR\nCurrency: EUR"},
            told={"email": ("Lamp is down to 39 EUR", "It was 49.9 before.")},
            variables={"lowest": 39},
        ),
        Run(site={"page": "Sold out"}, skipped="email remember"),
    ),
    # education
    "study-tutor": (Run("What is a prime number?", says=""),),
    "word-of-the-day": (Run(told={"email": "Word of the day: "}), Run(told={"email": "Word of the day: "})),
    "assignment-feedback": (
        Run(
            {
                "student": "Ada",
                "email": "ada@example.com",
                "text": "Water boils at 100 degrees.",
                "rubric": "Correct and complete.",
            },
            answers=(YES,),
            told={"send": "go ahead"},
        ),
        Run(
            {
                "student": "Ada",
                "email": "ada@example.com",
                "text": "Water boils at 100 degrees.",
                "rubric": "Correct and complete.",
            },
            answers=(NO,),
            skipped="send",
        ),
    ),
    # finance
    "invoice-data-entry": (
        Run(
            {"text": INVOICE.format("7200.50")},
            told={"record": ("7200.5", "Lumen", "2026-117"), "ask_finance": ("2026-117", "7200.5 EUR", "2026-12-24")},
        ),
        Run({"text": "Please pay: total 9000 EUR"}, told={"record": "9000", "ask_finance": "9000 EUR"}),
        Run({"text": INVOICE.format("72.50")}, skipped="ask_finance", told={"record": "72.5"}),
    ),
    "crypto-price-alert": (
        Run(site={"price": {"bitcoin": {"usd": 90000}}}, skipped="is_news email remember", variables={"told": False}),
        Run(
            site={"price": {"bitcoin": {"usd": 101000}}},
            skipped="reset",
            told={"email": "Bitcoin is at 101000 USD"},
            variables={"told": True},
        ),
        Run(site={"price": {"bitcoin": {"usd": 102000}}}, skipped="email remember reset"),
    ),
    "expense-approval": (
        Run(
            {"email": "ada@example.com", "text": RECEIPT},
            answers=(YES,),
            skipped="decline",
            told={"pay": ("ada@example.com", "Grand Hotel", "240")},
        ),
        Run(
            {"email": "ada@example.com", "text": RECEIPT},
            answers=(NO,),
            skipped="pay",
            told={"decline": "Grand Hotel, 240: too expensive"},
        ),
        Run(
            {"email": "ada@example.com", "text": "I lost it."},
            answers=(NO,),
            skipped="pay",
            told={"decline": "Unknown vendor, unknown amount: too expensive"},
        ),
        Run({"email": "ada@example.com", "text": RECEIPT}, answers=(None,), skipped="pay", told={"decline": ""}),
    ),
    "exchange-rate-watch": (
        Run(site={"rate": {"date": "2026-11-20", "rates": {"USD": 1.1}}}, skipped="email"),
        Run(
            site={"rate": {"date": "2026-11-20", "rates": {"USD": 1.25}}},
            told={"email": ("1 EUR = 1.25 USD", "2026-11-20")},
        ),
    ),
    "payment-received": (
        Run(
            {"status": "succeeded", "email": "bob@example.com", "amount": 12.5, "currency": "EUR"},
            skipped="warn",
            told={"thank": "12.5 EUR"},
            variables={"total": 12.5},
        ),
        Run(
            {"status": "succeeded", "email": "bob@example.com", "amount": 10, "currency": "EUR"},
            skipped="warn",
            told={"thank": "10 EUR"},
            variables={"total": 22.5},
        ),
        Run(
            {"status": "failed", "email": "bob@example.com", "amount": 10, "currency": "EUR"},
            skipped="thank total",
            told={"warn": "10 EUR by bob@example.com failed: no reason given"},
            variables={"total": 22.5},
        ),
    ),
    "overdue-invoice-reminders": (
        Run(
            site={
                "invoices": [
                    {"number": 1, "amount": 10, "daysLate": 9, "email": "a@example.com"},
                    {"number": 2, "amount": 10, "daysLate": 1, "email": "b@example.com"},
                    {"number": 3, "amount": 7, "daysLate": 5},
                ]
            },
            told={
                "each:0/remind": ("invoice 1 over 10 has been due for 9 days", "Reminder: invoice 1"),
                "report": "Reminded 1 customers",
            },
        ),
        Run(site={"invoices": []}, told={"report": "Reminded 0 customers"}),
    ),
    # hr
    "employee-onboarding": (
        Run(
            {"name": "Ada", "email": "ada@example.com", "role": "Engineer", "start": "2026-12-01"},
            told={"welcome": "Welcome, Ada!", "introduce": "Ada joins us as Engineer on 2026-12-01"},
        ),
    ),
    "resume-screening": (
        Run(
            {"resume": "I like machines.", "role": "Senior engineer"},
            told={"share": "somebody without a name (unknown years)"},
        ),
        Run(
            {"resume": RESUME, "role": "Senior engineer for data pipelines"},
            told={"share": "Application of Ada Byron (7 years)"},
        ),
    ),
    "leave-request": (
        Run(
            {"name": "Ada", "email": "ada@example.com", "from": "2026-12-20", "until": "2027-01-03"},
            answers=(YES,),
            skipped="decline",
            told={
                "calendar": '{"title":"Leave: Ada","start":"2026-12-20","end":"2027-01-03"}',
                "accept": "2026-12-20 until 2027-01-03",
            },
        ),
        Run(
            {"name": "Ada", "email": "ada@example.com", "from": "2026-12-20", "until": "2027-01-03"},
            answers=(NO,),
            skipped="calendar accept",
            told={"decline": "could not be approved. too expensive"},
        ),
    ),
    "birthday-greetings": (
        Run(
            site={"people": [{"name": "Ada", "team": "data"}, {"name": "Bob", "team": "sales"}]},
            told={"each:0/post": "Ada", "each:1/post": "Bob"},
        ),
        Run(site={"people": []}),
    ),
    # marketing
    "newsletter-draft": (
        Run(answers=(YES,), told={"send": "This week in our field"}),
        Run(answers=(NO,), skipped="send"),
        Run(answers=(None,), skipped="send"),
    ),
    "competitor-watch": (Run(told={"email": "Competitors this week"}),),
    "brand-mention-monitor": (
        Run(hits=BAD_HITS, skipped="count", told={"alert": ("Negative mentions", "https://blog.example/acme")}),
        Run(skipped="gist alert", variables={"quiet_checks": 1}),
        Run(hits=[], skipped="gist alert", variables={"quiet_checks": 2}),
    ),
    "product-text-translation": (
        Run(
            {"text": "A bright lamp.", "languages": ["German", "French"]},
            told={"publish": '"languages":["German","French"]'},
        ),
    ),
    # news
    "morning-news-digest": (
        Run(told={"email": ("News: solar power", "Solar")}),
        Run(hits=[], told={"email": "News: solar power"}),
    ),
    "topic-watch-slack": (
        Run(told={"post": "https://news.example/solar"}, variables={"last_url": "https://news.example/solar"}),
        Run(skipped="summary post remember"),
        Run(hits=[], skipped="summary post remember"),
    ),
    "hacker-news-digest": (
        Run(
            site={
                "front": {
                    "hits": [
                        {"title": "A", "points": 300, "url": "https://a.example"},
                        {"title": "B", "points": 20, "url": "x"},
                        {"title": "C", "points": 200, "url": None},
                    ]
                }
            },
            told={
                "email": ("Hacker News: 2 stories", "A (300 points)\nhttps://a.example", "C (200 points)\nno address")
            },
        ),
        Run(site={"front": {"hits": []}}, told={"email": "Hacker News: 0 stories"}),
    ),
    "page-change-monitor": (
        Run(site={"page": PAGE}, told={"email": "Now:\nPrice: 49"}, variables={"last": "Price: 49"}),
        Run(site={"page": PAGE}, skipped="email remember"),
        Run(
            site={"page": PAGE.replace("49", "39")},
            told={"email": "Now:\nPrice: 39\n\nBefore:\nPrice: 49"},
            variables={"last": "Price: 39"},
        ),
        Run(site={"page": 404}, skipped="email remember"),
    ),
    # operations
    "purchase-approval": (
        Run(
            {"item": "Desk", "price": 900, "reason": "new", "email": "ada@example.com"},
            answers=("approve",),
            skipped="small decline",
            told={"order": '{"item":"Desk","price":900,"for":"ada@example.com"}', "confirm": "Ordered: Desk"},
        ),
        Run(
            {"item": "Desk", "price": 900, "reason": "new", "email": "ada@example.com"},
            answers=(NO,),
            skipped="small large order confirm",
            told={"decline": "not approved. too expensive"},
        ),
        Run(
            {"item": "Pen", "price": 2, "reason": "new", "email": "ada@example.com"},
            skipped="ask approved large decline",
            told={"order": "Pen", "confirm": "Ordered: Pen"},
        ),
    ),
    "daily-standup-reminder": (Run(told={"remind": "Good morning!"}),),
    "form-to-slack": (
        Run(
            {"name": "Ada", "email": "ada@example.com", "message": "Hello"},
            told={"post": "Name: Ada\nEmail: ada@example.com\n\nHello"},
        ),
        Run({"message": "Hello"}, told={"post": "Name: unknown\nEmail: unknown\n\nHello"}),
    ),
    "request-router": (
        Run({"text": "IT: my laptop has a broken screen and the software does not start"}, skipped="start_facilities"),
        Run({"text": "Facilities: the heating in the office building is off"}, skipped="start_it"),
        Run({"text": "Other: hello there"}, skipped="start_it start_facilities"),
    ),
    "nightly-batch": (Run(site={"rows": [{"id": 1}, {"id": 2}]}), Run(site={"rows": []})),
    # personal
    "morning-weather": (
        Run(
            site={
                "forecast": {
                    "daily": {
                        "temperature_2m_max": [21.5],
                        "temperature_2m_min": [11],
                        "precipitation_probability_max": [80],
                    }
                }
            },
            told={"email": "Weather: up to 21.5 °C"},
        ),
    ),
    "summarize-link": (
        Run(
            "Please sum up {site}/summarize-link/article",
            site={
                "article": "<h1>Solar</h1><p>Solar power grew by 20 % in 2025. It is cheap. Many roofs carry it.</p>"
            },
            skipped="ask",
            says="Solar",
        ),
        Run("Sum something up", skipped="page gist reply", says="address of an article"),
    ),
    "habit-reminder": (
        Run(answers=(YES,), skipped="reset", told={"remind": "Day 0 so far."}, variables={"streak": 1}),
        Run(answers=(YES,), skipped="reset", told={"remind": "Day 1 so far."}, variables={"streak": 2}),
        Run(answers=(None,), skipped="count", told={"remind": "Day 2 so far."}, variables={"streak": 0}),
    ),
    "travel-planner": (Run("Place: Lisbon\nDays: 4\nInterests: tiles and fish", says=""), Run("Surprise me", says="")),
    "gaming-night": (Run(told={"post": ""}),),
    # sales
    "lead-qualification": (
        Run(
            {"email": "ada@example.com", "message": LEAD},
            skipped="thank",
            told={"tell_sales": ("Hot lead: Ada Byron", "ada@example.com")},
        ),
        Run(
            {"email": "spam@example.com", "message": "I am a student and would like to know more for my thesis"},
            skipped="tell_sales",
            told={"thank": "We will answer"},
        ),
    ),
    "meeting-follow-up": (
        Run(
            {
                "customer": "Bob",
                "email": "bob@example.com",
                "transcript": "We decided to start in May. Ada sends the contract by Friday. Open: the price.",
            },
            answers=(YES,),
            skipped="note",
            told={"send": "Our meeting: next steps"},
        ),
        Run(
            {"customer": "Bob", "email": "bob@example.com", "transcript": "We decided to start in May."},
            answers=(NO,),
            skipped="send",
        ),
    ),
    "large-deal-alert": (
        Run(
            {"name": "Acme", "stage": "won", "amount": 12000, "owner": "Ada"},
            skipped="note",
            told={"celebrate": "Ada won Acme: 12000"},
        ),
        Run({"name": "Acme", "stage": "lost", "amount": 12000, "owner": "Ada"}, skipped="celebrate"),
    ),
    "weekly-pipeline-report": (
        Run(
            site={
                "deals": [
                    {"name": "Acme", "status": "open", "value": 10},
                    {"name": "Globex", "status": "won", "value": 5},
                ]
            },
            told={"email": "Sales pipeline: 1 open deals"},
        ),
        Run(site={"deals": []}, told={"email": "Sales pipeline: 0 open deals"}),
    ),
    "company-research-brief": (Run("Acme Corporation", says=""),),
    "quote-request": (
        Run(
            {
                "email": "bob@example.com",
                "message": "Customer: Bob's Garage. We need 3 lamps and 2 desks by 2026-12-24.",
            },
            answers=(YES,),
            skipped="decline",
            told={"send": "Your quote"},
        ),
        Run(
            {
                "email": "bob@example.com",
                "message": "Customer: Bob's Garage. We need 3 lamps and 2 desks by 2026-12-24.",
            },
            answers=(NO,),
            skipped="send",
            told={"decline": "Bob's Garage was not approved: too expensive"},
        ),
    ),
    # social
    "cross-post-announcement": (
        Run(
            {"text": "We move on Monday"},
            told={"slack": "We move on Monday", "discord": "We move on Monday", "email": "We move on Monday"},
        ),
    ),
    "social-post-ideas": (Run(told={"share": "*Posts of the week*\n"}),),
    "community-moderation": (
        Run(
            {
                "id": 5,
                "author": "x",
                "text": "SPAM: buy followers now, click here, cheap pills, limited offer http://spam.example",
            },
            skipped="tell_moderators",
            told={"remove": '{"id":5,"action":"remove"}'},
        ),
        Run(
            {"id": 6, "author": "Ada", "text": "Doubtful: I will find you and hurt you, you idiot"},
            skipped="remove",
            told={"tell_moderators": "post 6 by Ada"},
        ),
        Run(
            {"id": 7, "author": "Bob", "text": "Fine weather today, and a fine community. Thank you!"},
            skipped="remove tell_moderators",
        ),
    ),
    # support
    "support-chat-assistant": (Run("How do I reset my password?", says=""),),
    "ticket-triage": (
        Run(
            {"id": 1, "subject": "URGENT: we cannot work", "message": "Invoice page is down, urgent, we lose money"},
            skipped="forward",
            told={"alert": "ticket 1: URGENT: we cannot work"},
        ),
        Run(
            {
                "id": 2,
                "subject": "Low priority: a how-to question",
                "message": "How to change the colour? Low priority.",
            },
            skipped="alert",
            told={"forward": ('"id":2', '"priority":"low"')},
        ),
    ),
    "order-status-bot": (
        Run(
            "Where is AB-12345?",
            site={"order": {"state": "shipped", "eta": "2026-11-25"}},
            skipped="ask_number",
            says="shipped",
        ),
        Run("Where is my order?", skipped="order answer reply", says="Which order is it?"),
    ),
    "negative-review-response": (
        Run(
            {"author": "Bob", "url": "https://r.example/1", "text": "Terrible, broken after a day, the worst service"},
            skipped="thank",
            told={"show": ("Negative review by Bob: https://r.example/1", "Suggested answer:\n")},
        ),
        Run(
            {"author": "Ada", "url": "https://r.example/2", "text": "Great, I love it, wonderful"}, skipped="draft show"
        ),
    ),
    "unanswered-ticket-escalation": (
        Run(
            {"id": 9, "subject": "No login"},
            answers=({"by": "Ada"},),
            skipped="escalate",
            told={"offer": "Who takes ticket 9: No login?"},
        ),
        Run(
            {"id": 9, "subject": "No login"},
            answers=(None,),
            skipped="done",
            told={"offer": "9", "escalate": ("Nobody takes ticket 9", "ten minutes ago")},
        ),
    ),
    "support-weekly-themes": (
        Run(
            site={"tickets": [{"message": "I cannot log in since Monday."}, {"message": "The invoice is wrong."}]},
            told={"email": "What 2 customers asked this week"},
        ),
        Run(site={"tickets": []}, told={"email": "What 0 customers asked this week"}),
    ),
}
