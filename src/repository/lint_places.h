/* Findings on where else the files of cards are. */
#ifndef FERRY_REPOSITORY_LINT_PLACES_H
#define FERRY_REPOSITORY_LINT_PLACES_H

#include "catalog/lint.h"
#include "repository/repository.h"

/* Of the record of the tree (located.h), compared with the cards and the mirrors (NULL: those are
 * not checked), and of templates. */
void lint_places(const char *dir, const struct repository_cards *cards, const json_t *mirrors,
		 struct lint_findings *f);

#endif
