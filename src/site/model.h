/*
 * model: the page of a model, models/<id>.html. Of very many variants, versions and files it
 * shows the first, and how many more there are, so that the page stays readable.
 */
#ifndef FERRY_SITE_MODEL_H
#define FERRY_SITE_MODEL_H

#include "site/facets.h"
#include "site/page.h"

WARN_UNUSED int site_model_page(const struct site_build *b, const struct card *c,
				const struct facets *f, struct err *e);

#endif
