/*
 * rolling_budget: the two accounts of the rolling audit, and what it promises (rolling.h).
 */
#ifndef FERRY_HEALTH_ROLLING_BUDGET_H
#define FERRY_HEALTH_ROLLING_BUDGET_H

#include "health/rolling.h"

enum rolling_account { ROLLING_SIDE, ROLLING_LAP, ROLLING_ACCOUNTS };

struct rolling_budget {
	bool begun; /* it has its first day's budget */
	int64_t has[ROLLING_ACCOUNTS];
};

/* What the owner may set: very small budgets count as ROLLING_BUDGET_MIN. */
#define ROLLING_BUDGET_MIN MIB
#define ROLLING_BUDGET_MAX ((uint64_t)1 << 50)
uint64_t rolling_budget_of(uint64_t budget);

/* budget: of rolling_budget_of(), not 0. largest: cost of a piece. */
void rolling_budget_grow(struct rolling_budget *b, uint64_t budget, uint64_t largest,
			 uint64_t elapsed_s);
bool rolling_budget_allows(const struct rolling_budget *b, enum rolling_account a, uint64_t budget,
			   uint64_t cost);
void rolling_budget_pay(struct rolling_budget *b, enum rolling_account a, uint64_t cost);

/* Days; total and faults: costs. */
uint64_t rolling_budget_promise(uint64_t budget, uint64_t total, uint64_t largest, uint64_t faults);

#endif
