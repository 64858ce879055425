"""Everyday cues: what words of a text speak for which sense, and which labels mean that sense.

Invariant: patterns only, each bounded. Callers: ``labels``.
"""

from __future__ import annotations

import re


def _any(words: str) -> re.Pattern[str]:
    """A pattern of alternatives: `_` is a blank, `*` at the end any ending."""
    escaped = (re.escape(word).replace(r"\*", r"\w{0,12}") for word in words.split())
    parts = [word.replace("_", r"\s+").replace("'", "['’]?") for word in escaped]
    return re.compile(rf"(?<!\w)(?:{'|'.join(sorted(parts, key=len, reverse=True))})(?!\w)", re.I)


POSITIVE = _any(
    "good great excellent amazing awesome fantastic wonderful perfect perfectly love loved loves lovely adore "
    "adored happy "
    "pleased "
    "delighted satisfied impressed recommend recommended best beautiful superb outstanding brilliant helpful "
    "friendly "
    "fast quick quickly smooth smoothly easy enjoy enjoyed thank_you thanks grateful appreciate well_done "
    "works_great "
    "nice delicious comfortable excited glad flawless flawlessly exceeded top_notch five_stars 5_stars worth_it "
    "works_well reliable spotless cozy tasty sturdy praise kudos bravo terrific pleasant polite"
)
NEGATIVE = _any(
    "bad terrible awful horrible worst worse poor poorly disappointed disappointing disappointment hate hated angry "
    "annoyed annoying frustrated frustrating unhappy upset broken broke useless rude slow late delayed delay "
    "unacceptable "
    "waste refund problem problems issue issues fail failed fails failing faulty defective damaged wrong "
    "missing never_again "
    "dirty cold noisy unusable overpriced ripped_off scam unreliable ridiculous mess error errors crash crashes "
    "crashed "
    "complain complaint avoid regret stopped_working doesn't_work does_not_work not_working slower buggy laggy "
    "ruined flicker* lost boring bland lousy "
    "nightmare "
    "unprofessional ignored fed_up one_star 1_star leaking leaks cracked torn sad disgusting disaster outage "
    "down cheaply"
)
URGENT = _any(
    "urgent urgently asap immediately immediate emergency critical right_away right_now as_soon_as_possible outage "
    "production_is_down is_down are_down down_for cannot_work can't_work by_today by_end_of_day eod within_the_hour "
    "deadline_today today time_critical blocker blocking security_breach data_loss all_users everyone_is tonight "
    "high_priority top_priority escalate losing_money nobody_can no_one_can help_now on_fire flood* leak leaking "
    "gas_leak "
    "not_breathing chest_pain hacked breach stuck_at stranded"
)
CUES: dict[str, re.Pattern[str]] = {
    "urgent": URGENT,
    "low": _any(
        "no_rush no_hurry whenever when_you_have_time not_urgent low_priority some_day someday minor just_wondering "
        "at_your_convenience nice_to_have next_month eventually not_important typo cosmetic fyi"
    ),
    "spam": _any(
        "winner you_won you've_won you_have_won lottery prize free_money click_here act_now limited_time 100%_free "
        "viagra casino bitcoin crypto_investment double_your guaranteed risk-free risk_free earn_money make_money "
        "work_from_home congratulations claim_your million_dollars inheritance prince wire_transfer cheap_meds "
        "no_obligation order_now special_promotion unsubscribe weight_loss seo_services backlinks rank_your rank_#1 "
        "first_page_of_google buy_now credit_score hot_singles investment_opportunity dear_friend free_gift"
    ),
    "phishing": _any(
        "verify_your_account confirm_your_password account_has_been_suspended account_will_be_closed click_the_link "
        "update_your_payment unusual_sign-in suspicious_activity confirm_your_identity gift_cards login_details "
        "verify_your_identity your_account_is_locked"
    ),
    "complaint": _any(
        "complain complaint unacceptable disappointed disappointing refund terrible awful worst angry "
        "frustrated rude "
        "still_waiting never_arrived not_happy unhappy want_my_money_back poor_service manager broken damaged "
        "defective "
        "third_time again_and_again fed_up never_again horrible overcharged ridiculous wrong_item late"
    ),
    "praise": _any(
        "thank_you thanks great_job well_done love amazing excellent fantastic wonderful awesome keep_up impressed "
        "best perfect kudos delighted happy_with compliments appreciate brilliant outstanding superb"
    ),
    "thanks": _any("thank_you thanks thank grateful appreciate cheers much_obliged"),
    "request": _any(
        "could_you can_you please would_like i_need we_need request requesting send_me would_you i_want may_i "
        "is_it_possible_to would_be_great"
    ),
    "feature": _any(
        "feature would_be_great would_be_nice would_love it_would_be wish suggestion suggest add_support "
        "dark_mode please_add "
        "could_you_add can_you_add enhancement improvement improve integrate integration idea missing_option "
        "support_for export_to ability_to it'd_be roadmap"
    ),
    "bug": _any(
        "bug bugs error errors crash crashes crashed crashing broken doesn't_work does_not_work not_working "
        "exception "
        "stack_trace freeze freezes frozen glitch fails failed failing 500 404 blank_page white_screen won't_load "
        "won't_open doesn't_load stopped_working cannot_save can't_save nothing_happens wrong_result hangs timeout"
    ),
    "technical": _any(
        "error install installation setup set_up configure configuration server app update upgrade crash bug broken "
        "connection connect wifi router api sync driver device printer not_working doesn't_work does_not_work screen "
        "version software computer laptop browser password log_in login vpn integration webhook 500"
    ),
    "billing": _any(
        "invoice invoices bill billed billing charge charged charges payment payments pay paid credit_card card "
        "refund "
        "refunded subscription overcharged double_charged charged_twice receipt vat price fee bank_transfer debit "
        "iban paypal renewal plan cost"
    ),
    "refund": _any("refund refunded money_back reimburse reimbursement chargeback return_it"),
    "returns": _any("return returned returning send_back sent_back send_them_back send_it_back sending_back "
    "don't_fit too_small too_big exchange wrong_size doesn't_fit does_not_fit "
    "replacement "
                    "refund return_label"),
    "shipping": _any(
        "shipping shipped ship delivery deliver delivered package parcel tracking courier arrived arrive arrives "
        "not_arrived never_arrived dhl ups fedex in_transit where_is_my_order dispatch dispatched shipment "
        "lost_in_the_mail "
        "customs postage"
    ),
    "order": _any("order orders ordered purchase purchased bought buy items quantity pieces po_number checkout cart"),
    "account": _any(
        "account password log_in login sign_in signin locked_out reset_my_password username two-factor 2fa "
        "verification_code "
        "email_address_change change_my_email profile delete_my_account access sign_up registration log_out "
        "logged_out"
    ),
    "sales": _any(
        "pricing quote price_list demo buy purchase interested enterprise licence license licences licenses "
        "seats discount "
        "trial plans sales team_of proposal offer bulk volume upgrade_to budget how_much evaluate evaluating"
    ),
    "cancellation": _any("cancel cancelled canceled cancellation cancelling terminate end_my unsubscribe_me "
    "close_my_account "
                         "stop_my"),
    "job": _any(
        "application apply applying applied resume résumé cv cover_letter position vacancy job hiring candidate "
        "interview "
        "internship career careers recruiter experience_in salary"
    ),
    "hr": _any("vacation sick_leave sick_day parental_leave payroll holiday_request time_off benefits onboarding "
               "employment salary payslip day_off"),
    "press": _any("journalist press interview article magazine newspaper media podcast reporter editorial"),
    "partnership": _any("partner partnership collaborate collaboration affiliate sponsor sponsorship joint reseller "
                        "co-marketing"),
    "appointment": _any(
        "appointment meeting schedule reschedule calendar book booking reservation reserve table_for slot "
        "available_on call "
        "meet"
    ),
    "newsletter": _any("newsletter weekly_digest unsubscribe view_in_browser issue_# this_week_in subscribe"),
    "promotion": _any("sale discount offer coupon promo_code deal deals limited_time buy_one free_shipping shop_now "
                      "voucher save"),
    "legal": _any("lawyer attorney legal lawsuit contract gdpr terms subpoena liability court compliance nda "
    "copyright "
                  "data_protection clause"),
    "security": _any("hacked breach vulnerability phishing malware virus ransomware stolen unauthorised unauthorized "
                     "suspicious leaked exploit xss"),
    "finance": _any("stock stocks market shares bank interest_rate interest_rates inflation investors earnings "
    "revenue profit quarter "
                    "economy loan bond currency tax dividend"),
    "sports": _any("match game goal goals team teams coach season league cup player players tournament score scored "
                   "championship olympic race football tennis basketball won striker"),
    "politics": _any("government election president minister parliament senate vote voters law policy campaign party "
                     "congress mayor coalition bill"),
    "technology": _any("software ai app apps smartphone chip chips computer startup internet cloud data device robot "
                       "algorithm developers programming tech cyber launch hardware"),
    "health": _any("doctor patient patients hospital disease vaccine symptoms medicine treatment health virus "
    "diet fever "
                   "pain surgery clinic sick"),
    "travel": _any("flight flights hotel trip travel airport booking vacation passport visa itinerary train "
    "tour beach "
                   "luggage"),
    "food": _any("recipe restaurant food meal dinner lunch cook cooking dish taste ingredients menu chef eat "
    "pizza oven bake"),
    "weather": _any("rain sunny storm snow temperature forecast wind cloudy weather degrees thunderstorm"),
    "question": re.compile(
        r"\?|(?:^|[,.!;:]\s)\s*(?:how|what|when|where|why|who|which|can|could|do|does|is|are)\s|\b(?:wondering|want\s+to\s+know|"
        r"do\s+you\s+know|could\s+you\s+tell)\b",
        re.I,
    ),
    "yes": _any("yes yeah yep sure of_course agreed agree approved approve confirm confirmed sounds_good "
    "sounds_great let's_do count_me_in let's_set_up absolutely "
                "definitely correct ok okay accepted accept i_do go_ahead"),
    "no": _any("no nope not_interested decline declined reject rejected disagree cannot can't won't never "
    "refuse refused no_thanks "
               "unfortunately"),
    "abuse": _any("idiot idiots stupid moron shut_up damn fuck* shit* bastard* crap loser hate_you kill_you"),
}  # fmt: skip
_LABELS: tuple[tuple[str, str], ...] = (
    ("positive", r"positive|happy|good|satisfied|promoter|glad|joy|pleased|favou?rable"),
    ("negative", r"negative|unhappy|bad|angry|dissatisfied|detractor|anger|frustrated|upset|unfavou?rable|annoyed|sad"),
    ("neutral", r"neutral|passive"),
    ("mixed", r"mixed|both|ambivalent"),
    ("urgent", r"(?<!not )(?:urgent|high|critical|emergency|important|p0|p1|asap|severe|highest|blocker|immediate)"),
    ("low", r"low|lowest|minor|p3|p4|trivial|can wait|not urgent|later"),
    ("spam", r"spam|junk|scam"), ("phishing", r"phish\w*|fraud|spam|scam"),
    ("complaint", r"complain\w*|grievance|issue|problem"), ("praise", r"praise|compliment\w*|kudos|testimonial"),
    ("thanks", r"thanks|thank you|gratitude"), ("feature", r"features?(?: "
        r"request)?|suggestions?|ideas?|enhancement|wish"),
    ("request", r"requests?|inquiry|enquiry|ask"), ("bug", r"bugs?|defects?|errors?|crash\w*|incident"),
    ("technical", r"tech|technical(?: support)?|support|it|helpdesk"),
    ("billing", r"billing|payments?|invoices?|invoicing|finance team|accounts payable|accounting|charges?"),
    ("refund", r"refunds?|money back"), ("returns", r"returns?|exchanges?|refunds?"),
    ("shipping", r"shipping|delivery|deliveries|logistics|shipment|tracking"), ("order", r"orders?|purchase\w*"),
    ("account", r"accounts?|login|access|password|sign in|authentication"),
    ("sales", r"sales|pricing|leads?|quotes?|prospect|pre sales|presales|demo"),
    ("cancellation", r"cancel\w*|churn|termination"),
    ("job", r"jobs?|application|recruit\w*|candidate|careers?|hiring"), ("hr", r"hr|human resources|people"),
    ("press", r"press|media|journalist"), ("partnership", r"partner\w*|collaboration|affiliate|sponsor\w*"),
    ("appointment", r"appointments?|meetings?|scheduling|bookings?|reservations?|calendar"),
    ("newsletter", r"newsletters?"), ("promotion", r"promo\w*|marketing|ads?|advert\w*|newsletters?|offers?"),
    ("legal", r"legal|compliance|privacy"), ("security", r"security|breach"),
    ("finance", r"finance|financial|business|economy|money|stocks?|markets?"), ("sports", r"sports?|football|soccer"),
    ("politics", r"politics?|political|government|election"), ("technology", r"technology|tech|science|software|it"),
    ("health", r"health|medical|medicine|healthcare"), ("travel", r"travel|tourism|trips?"),
    ("food", r"food|cooking|recipes?"),
    ("weather", r"weather"), ("question", r"questions?|inquiry|enquiry|query|how to|information request"),
    ("yes", r"yes|true|approved?|accept(?:ed)?|confirm(?:ed)?|agree[ds]?|interested"),
    ("no", r"no|false|reject(?:ed)?|declined?|den(?:y|ied)|refused?|not interested"),
    ("abuse", r"abus\w*|toxic|offensive|insult\w*|hateful"),
    ("english", r"english|en"), ("german", r"german|deutsch|de"), ("french", r"french|français|fr"),
    ("spanish", r"spanish|español|es"),
    ("italian", r"italian|italiano"), ("dutch", r"dutch|nl"), ("portuguese", r"portuguese|pt"),
)  # fmt: skip
SENSES = tuple((sense, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)) for sense, words in _LABELS)
#: What is chosen when nothing speaks for any label, the best first.
FALLBACK = tuple(
    re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)
    for words in (
        r"others?|misc\w*|general|else|uncategori[sz]ed|unknown|unsure|unclear|none",
        r"neutral|passive", r"normal|medium|standard|regular|moderate|p2|average|default",
        r"low|not urgent|non urgent|not\b.*", r"no|false|ham|legit\w*",
    )
)  # fmt: skip
LANGUAGES: dict[str, frozenset[str]] = {
    "english": frozenset("the and is are you to of in that it for with was this have my not be i".split()),
    "german": frozenset("der die das und ist nicht ich sie ein eine mit für auf den zu wir haben bitte meine "
    "mein".split()),
    "french": frozenset("le la les et est une je vous pas pour dans des du que nous avec mon ma sur bonjour".split()),
    "spanish": frozenset("el la los y es una que no por para con mi su está muy hola gracias se un del las".split()),
    "italian": frozenset("il la che non per una sono con mi del della gli è un di ciao grazie ho molto "
    "questo".split()),
    "dutch": frozenset("de het een en is niet ik van dat met voor zijn mijn op te u wij hebben graag".split()),
    "portuguese": frozenset("o a os não uma que para com você meu minha está muito obrigado é um de por em".split()),
}
