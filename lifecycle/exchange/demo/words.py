"""What people say and write in the demo. `{…}` stands for a word of the card it is said about."""

from __future__ import annotations

# Titles of a provider's first card, of one that comes back, and of a customer's next; some fit what they do.
FIRST_TITLES = (
    "Billing for {size} subscribers",
    "Replace {system}",
    "Customer portal and invoicing",
    "Payments and automatic suspension",
    "Move {size} subscribers before the season",
    "Invoicing, tax and collections",
    "One system for office and field crew",
    "Fewer unpaid lines in {city}",
    "Reports that the bank believes",
    "Self-care app for {city}",
)
FIRST_TITLES_BY_SEGMENT = {
    "fibre": (
        "OLT provisioning and billing",
        "From fibre order to first invoice",
        "GPON and billing for {city}",
    ),
    "fixed_wireless": ("Towers, radios and billing in one", "Hotspots and fixed lines on one bill"),
    "mixed": ("Radio and fibre on one bill", "RADIUS and billing for {city}"),
    "business_only": ("Contracts and invoices for business lines",),
}
AGAIN_TITLES = (
    "Back at the table: {size} subscribers",
    "Second look at billing",
    "Once more: away from {system}",
)
LATER_TITLES = (
    "Second brand in {city}",
    "Field crew and stock",
    "Reseller portal",
    "Tickets and outages for {city}",
    "New towns around {city}",
)
LATER_TITLES_BY_SEGMENT = {
    "fibre": ("Fibre roll-out, phase two",),
    "fixed_wireless": ("Prepaid vouchers and hotspots",),
}
SYSTEMS = (
    "the spreadsheets",
    "a home-grown PHP billing",
    "the accountant's package",
    "an old RADIUS manager",
    "three tools that do not talk",
)
OUR_OWN = "WISPGate for the first brand"
PAINS = (
    "Unpaid customers stay online for weeks, because suspending them is done by hand on Fridays.",
    "Two people copy invoices from one program to another; last month 140 were wrong.",
    "Nobody knows which customer hangs on which access point, so every outage floods the phone.",
    "Payments by mobile money are matched by hand, at 60 a day.",
    "The person who wrote their billing left, and tax rules change in January.",
    "Churn is 4 % a month and nobody can say why: there are no reports.",
    "A new customer waits six days, because five people must each do their step.",
)
DECISIONS = (
    "{contact} decides with the brother who owns half; the accountant can say no. By the end of the quarter.",
    "The board of three signs above 3,000 EUR a year. {contact} prepares it, next meeting on the 12th.",
    "{contact} decides alone once the engineer has seen the network part.",
    "The owner signs, operations recommends. They want references from the same country.",
)
AUDIENCES = (
    "{contact}, their engineer and the lady from billing; {owner} from us.",
    "{contact} and the owner; {owner} and Tomasz Lis from us.",
    "{contact}, two people from the front office; {owner} from us.",
)
VERDICTS = (
    "Automatic suspension won them over. Printing invoices in their layout is a must.",
    "The map of access points impressed; they doubt the mobile app for the crew.",
    "They liked that the trial bill matched theirs to the cent. The voucher part is weaker than today's.",
    "Convinced by the customer portal; want to see the tax report with their own figures.",
)
QUALIFICATION_NOTES = (
    (
        "{contact} runs {size} subscribers with four people. They use {system} now.\n{pain}\n"
        "They looked at two others last year and stopped over migration."
    ),
    (
        "Good call. {size} subscribers, about 60 new a month. Today: {system}.\n{pain}\n"
        "Asked twice about who moves the data."
    ),
)
QUALIFICATION_DECISIONS = (
    "A demo on their own plans and prices, with the engineer present.",
    "We send a sample of the import; they decide on a demo after that.",
)
QUALIFICATION_TASKS = (
    "Send the list of fields we can import\nAsk for a sample of their invoices",
    "Send two references from the region",
    "Prepare their three largest plans in the demo",
)
DEMO_NOTES = (
    (
        "Showed suspension, payment and reconnection on their plans. {contact} took over the mouse.\n"
        "Questions: VAT report, second currency, who may change prices."
    ),
    (
        "Went through a month of billing for ten of their customers. Two differences, both theirs.\n"
        "The engineer asked for RADIUS attributes per plan."
    ),
)
DEMO_DECISIONS = (
    "They want an offer for {size} subscribers, with migration.",
    "Offer next week; start in spring.",
)
DEMO_TASKS = ("Write up the open questions", "Send the offer", "Check the tax report with finance")
SCOPES = (
    "Server, base configuration, plans and prices, two payment methods. Not included: their website.",
    "Configuration, import of customers and balances, invoice layout. Routers stay theirs.",
    "Full set-up with OLT integration and training for six people.",
)
INTEGRATIONS = (
    "Card payments and bank file",
    "Mobile money, SMS",
    "none",
    "Accounting export, WhatsApp",
    "Card payments, SMS, accounting export",
)
WON_BECAUSE = (
    "The trial bill matched theirs to the cent.",
    "We were the only ones who offered to move the balances.",
    "Their engineer knew us from another provider.",
    "Suspension without people paid for it within a month.",
    "The price was the same; our answers came the same day.",
)
LOST_NOTES = {
    "no_response": ("Three tries on two channels, no answer.", "Opened every mail and never wrote back."),
    "no_budget": (
        "The tower on the hill ate this year's money.",
        "Investor stopped all spending until summer.",
    ),
    "price": ("They pay 90 EUR today and would not go above 150.", "Wanted half, with migration free."),
    "missing_feature": (
        "They need cable modems (DOCSIS) provisioned; we do not do that.",
        "Electronic invoices for their tax office are a year away for us.",
    ),
    "competitor": ("Took the offer of a vendor from their own country.", "A cousin resells another system."),
    "stays_put": ("Too busy to change before the season.", "Their developer promised to fix the old one."),
    "bad_fit": ("Sells mobile only, no access network.", "180 subscribers and not growing."),
    "out_of_business": ("Bought by the regional incumbent.", "Closed in spring; the line is dead."),
}
OPENERS = (
    "Wrote about their new tower near {city}, and how others bill a growing network.",
    "Short message: who suspends the unpaid lines in {city}?",
    "Introduced us through a common supplier.",
)
TALKS = {
    "no_answer": (
        "Rang twice, no answer.",
        "Sent a note with the case of a provider of their size.",
        "No reply.",
    ),
    "replied": (
        "They answered within the hour and want to talk.",
        "{contact} wrote back: “Good moment, we are fed up with it.”",
    ),
    "call_later": ("In the field this week; asked for next week.",),
    "wrong_person": ("Left the company; got the name of the successor.",),
    "not_interested": ("Polite no: happy with what they have.",),
}
LEAD_RECORDS = (
    "Business card from the regional operators' meeting.",
    "Filled in the form on the website: asked for prices.",
    "Their installer mentioned they are changing systems.",
)
WAITING_FOR = {
    "verified": "They wait for the new season's budget",
    "engaged": "They collect their tariffs and a sample of invoices",
    "demo_conducted": "They try it for a month on their own data",
    "subscription_request": "The signature of the second director",
}
NEXT_ACTIONS = {
    "sourced": ("Ask the partner for an introduction", "Check the company register"),
    "verified": ("Find out who decides on billing", "Write the first message"),
    "outreach_sent": ("Ring the front desk", "Follow up by WhatsApp"),
    "follow_up_1": ("Try by phone in the morning", "Send the case from the same country"),
    "follow_up_2": ("Send the savings calculation", "Ring once more before lunch"),
    "follow_up_3": ("Last try, then close", "Ask the installer to nudge them"),
    "engaged": ("Hold the qualification call", "Send the questions before the call"),
    "demo_conducted": ("Chase their verdict", "Set up the second demo with the owner"),
    "negotiation": ("Go through the terms with {contact}", "Send the revised offer"),
    "subscription_request": ("Ask {contact} for the signature", "Ring the second director"),
    "subscribed": ("Hand over to Delivery", "Introduce Tomasz to {contact}"),
}
COMMENTS = {
    "sourced": (
        "Looks like a twin of our customer two valleys away.",
        "Seen at the fair; stand next to ours.",
    ),
    "verified": (
        "Number on the website is dead, the one on Maps works.",
        "Register says founded 2014, trading.",
    ),
    "outreach_sent": ("They read it twice today.", "Sent in their language this time."),
    "follow_up_1": (
        "Mornings seem to be better there.",
        "The receptionist was kind; ask for {contact} by name.",
    ),
    "follow_up_2": ("Used the numbers from the other cooperative.",),
    "follow_up_3": ("If nothing comes back, close it and try next year.",),
    "engaged": (
        "{contact} is sharp; have the VAT answer ready.",
        "They would start small, with one town.",
        "Ask about the second company, it bills separately.",
    ),
    "demo_conducted": (
        "They laughed at the suspension button. In a good way.",
        "Bring Tomasz to the next one.",
    ),
    "negotiation": (
        "Do not go below list on the set-up, it is real work.",
        "They compare with an offer that leaves out migration.",
        "{contact} asked to pay yearly for 10 % less.",
    ),
    "subscription_request": ("Second director is back on Monday.", "They print it, sign it, scan it."),
    "subscribed": ("Go-live falls on their busiest week; tell Delivery.",),
}
WHYS = {
    "nurture": "New budget in the coming quarter, until then nothing can be signed.",
    "engaged": "The demo was built on the wrong case: they sell to hotels.",
    "demo_conducted": "They want the network part shown to the engineer before they talk about price.",
    "negotiation": "The second director wants yearly payment and a later start.",
    "reopen": "They rang: the old system failed at the end of the month.",
}
OVERRIDE_REASONS = (
    "The contact had left in spring; we begin again with the right person.",
    "All messages went to a mailbox nobody reads.",
)
WAIVERS = {
    "time": "They asked on the phone to be called again the same afternoon.",
    "evidence": "Terms were agreed in the meeting and stand in its notes; the sheet follows.",
}
APPROVAL_NOTES = ("They sign this week if it is granted.", "A reference in a country where we have none.")
APPROVED = ("Fine, for twelve months.", "Agreed, as they pay yearly.", None)
REJECTED = "Too much for this size. Offer 15 % and the data import free."
SOURCES = ("outbound", "outbound", "website", "event", "referral", "partner")
