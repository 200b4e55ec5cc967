/*
 * Asking a long operation to stop. The flag is the one mutable global of the
 * project: signal handlers can reach nothing else.
 */
#ifndef FERRY_UTIL_CANCEL_H
#define FERRY_UTIL_CANCEL_H

#include "util/base.h"
#include "util/err.h"

/* SIGINT and SIGTERM set the flag; a second one ends the process at once.
 * SIGPIPE and SIGXFSZ are ignored, so that a closed pipe or a file size limit is an
 * error of write(). */
void cancel_install(void);
/* The signal that asked to stop, or 0. */
int cancel_signal(void);
/* 0, or ERR_CANCELLED when a signal asked to stop: for loops. */
WARN_UNUSED int cancel_check(struct err *e);
/* In a child before exec: default handlers again. */
void cancel_reset_child(void);

#endif
