/*
 * The highest version of each variant that a tree has ever listed, so that one that was removed
 * and is added again goes on counting. It is read from the objects of cards; for those that gc has
 * removed, from the record TREE/cards/.versions.json: {"MODEL:VARIANT": NUMBER}.
 */
#ifndef FERRY_REPOSITORY_NUMBERS_H
#define FERRY_REPOSITORY_NUMBERS_H

#include "catalog/card.h"

/* The record; empty when there is none. The caller owns *out. */
WARN_UNUSED int numbers_load(const char *dir, json_t **out, struct err *e);
/* The same, raised by the objects of the model's cards. */
WARN_UNUSED int numbers_load_model(const char *dir, const char *model, json_t **out, struct err *e);
WARN_UNUSED int numbers_save(const char *dir, const json_t *numbers, struct err *e);

/* Raises them to those of the card that is in this file; one that cannot be read changes nothing.
 * True if a number was raised. */
bool numbers_raise(json_t *numbers, const char *path);
/* 0: there was none. */
uint64_t numbers_highest(const json_t *numbers, const char *model, const char *variant);

#endif
