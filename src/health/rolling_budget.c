#include "health/rolling_budget.h"

#define DAY_S 86400

uint64_t rolling_budget_of(uint64_t budget)
{
	if (!budget)
		return 0;
	return MIN(MAX(budget, ROLLING_BUDGET_MIN), ROLLING_BUDGET_MAX);
}

/* What an account gets in a day. */
static uint64_t daily(enum rolling_account a, uint64_t budget)
{
	return a == ROLLING_SIDE ? budget / 4 : budget - budget / 4;
}

/* What it keeps of the days before, beside the cost of a piece. */
static uint64_t room(enum rolling_account a, uint64_t budget)
{
	return a == ROLLING_SIDE ? budget / 4 : budget;
}

static int64_t in_time(uint64_t of_a_day, uint64_t s)
{
	return (int64_t)(of_a_day / DAY_S * s + of_a_day % DAY_S * s / DAY_S);
}

/* Returns what the account has no room for. A debt may have been made under a larger budget. */
static int64_t settle(struct rolling_budget *b, enum rolling_account a, uint64_t budget,
		      uint64_t largest)
{
	int64_t most = (int64_t)(room(a, budget) + MIN(largest, room(a, budget)));
	int64_t least = -(int64_t)(ROLLING_DEBT_DAYS * room(a, budget));
	int64_t over = MAX(0, b->has[a] - most);
	b->has[a] = MAX(least, b->has[a] - over);
	return over;
}

void rolling_budget_grow(struct rolling_budget *b, uint64_t budget, uint64_t largest,
			 uint64_t elapsed_s)
{
	uint64_t s = b->begun ? MIN(elapsed_s, ROLLING_DEBT_DAYS * DAY_S) : DAY_S;
	b->begun = true;
	for (enum rolling_account a = 0; a < ROLLING_ACCOUNTS; a++)
		b->has[a] += in_time(daily(a, budget), s);
	b->has[ROLLING_LAP] += settle(b, ROLLING_SIDE, budget, largest);
	settle(b, ROLLING_LAP, budget, largest);
}

bool rolling_budget_allows(const struct rolling_budget *b, enum rolling_account a, uint64_t budget,
			   uint64_t cost)
{
	return b->has[a] >= (int64_t)MIN(cost, daily(a, budget));
}

void rolling_budget_pay(struct rolling_budget *b, enum rolling_account a, uint64_t cost)
{
	b->has[a] -= (int64_t)cost;
}

uint64_t rolling_budget_promise(uint64_t budget, uint64_t total, uint64_t largest, uint64_t faults)
{
	uint64_t rate = daily(ROLLING_LAP, budget);
	uint64_t debt = largest > rate ? MIN(largest - rate, ROLLING_DEBT_DAYS * budget) : 0;
	uint64_t sum = total + debt + faults;
	if (sum <= rate / 24 * 20)
		return 2;
	/* In sixths of a day, since 20 hours and a day are 11 of them. */
	uint64_t sixths = sum / rate * 6 + (sum % rate * 6 + rate - 1) / rate + 11;
	return (sixths + 5) / 6;
}
