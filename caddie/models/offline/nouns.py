"""Nouns that say where something comes from: somebody thinks of it, the world knows it, or it is the user's own.

Invariant: patterns only. Callers: ``notices``, ``language``, ``web``.
"""

from __future__ import annotations

import re

#: Texts somebody has to think of.
WRITTEN = re.compile(
    r"\b(?:jokes?|poems?|haikus?|quotes?|riddles?|facts?|tips?|stor(?:y|ies)|compliments?|ideas?|recipes?|puns?|"
    r"affirmations?|motivation(?:al\s+\w+)?|inspiration(?:al\s+\w+)?|encouragement|vocabulary|words?\s+of\s+the\s+day|"
    r"trivia|quiz(?:zes)?|exercises?|challenges?|limericks?|horoscopes?|prompts?|ice-?breakers?|slogans?|"
    r"captions?|tweets?|"
    r"(?:meal|menu|workout|training|lesson|study|dinner|lunch)\s+(?:plans?|suggestions?)|workouts?|songs?|"
    r"lyrics|sayings?|proverbs?|"
    r"pep\s+talks?|(?:blog|linkedin|instagram|facebook|social\s+media)\s+posts?|(?:quiz|trivia|discussion|"
    r"interview|check-?in)\s+questions?|"
    r"brain\s?teasers?|mantras?|wisdoms?|fun\s+facts?|shopping\s+lists?|packing\s+lists?|flash\s?cards?|"
    r"(?:bedtime|short)\s+stor(?:y|ies)|love\s+(?:letters?|notes?)|anecdotes?|phrases?|idioms?)\b",
    re.I,
)
#: Texts of a form, where what they are about is said.
COMPOSED = re.compile(
    r"\b(?:lists?|tables?|rankings?|plans?|timetables?|agendas?|outlines?|check\s?lists?|itinerar(?:y|ies)|"
    r"scripts?|speech|essay|"
    r"letters?|descriptions?|articles?|guides?)\s+(?:of|for|about|on|with|to)\b",
    re.I,
)
#: What the world knows.
PUBLIC = re.compile(
    r"\b(?:weather|forecasts?|news|headlines?|articles?|scores?|results?|prices?|(?:exchange\s+|interest\s+|dollar\s+|"
    r"euro\s+)?rates?|trends?|trending|jobs?|offers|deals|events|papers|releases|games?|matches|traffic|holidays?|"
    r"temperature|stocks?|posts|reviews|updates\s+on|latest|newest|competitors?|market|concerts?|flights?|hotels?|"
    r"restaurants?|mentions|openings|vacancies|grants?|tenders?|conferences?|podcasts?|videos?|movies?|films?|books?|"
    r"launches|rumou?rs|patents?|regulations?|laws?|strikes?|delays|pollen|air\s+quality|tides?|fixtures|standings)\b",
    re.I,
)
#: What changes: nobody can think it up.
CURRENT = re.compile(
    r"\b(?:latest|newest|most\s+(?:popular|read|played|sold)|best-?\s?selling|current|trending|"
    r"charts?|today's|this\s+week's)\b",
    re.I,
)
#: What only the user's own systems know.
OWN = re.compile(
    r"\b(?:my|our|your|their|the\s+(?:team|company)'s|sales|orders?|tickets?|customers?|invoices?|report|numbers?|"
    r"figures|calendar|tasks?|todos?|to-?dos?|signups?|revenue|stock\s+levels?|inventory|appointments?|bookings?)\b",
    re.I,
)
DIGEST = re.compile(r"\b(?:summary|digest|recap|overview|briefing|round-?up|update|report)\b", re.I)
