/*
 * commands: what readers copy into a shell. Every foreign word is quoted (text_shell_quoted), and
 * has no control character, or the command is left out.
 */
#ifndef FERRY_SITE_COMMANDS_H
#define FERRY_SITE_COMMANDS_H

#include "site/page.h"

/* How to trust the repository: the command, and the fingerprint of its first root. Nothing if
 * neither is known. */
void commands_repository(struct page *p);
/* How to get the current version of a variant, and to use it. Nothing if it was withdrawn. */
void commands_variant(struct page *p, const struct card *c, const struct card_variant *v);
/* The key of the file on mirrors; the caller frees it. */
char *commands_key(const struct card_file *f);
/* Where the first mirror that browsers can read has the file; NULL: none has it. The caller frees
 * it. */
char *commands_url(const struct catalog *c, const struct card_file *f);

#endif
