#include "publish/push.h"

int push_gravity(enum err_class class)
{
	static const enum err_class order[] = {
		ERR_NONE, ERR_FAULT,    ERR_NETWORK,   ERR_NOT_FOUND, ERR_USAGE,     ERR_SYSTEM,
		ERR_AUTH, ERR_CONFLICT, ERR_INTEGRITY, ERR_BUG,       ERR_CANCELLED,
	};
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (order[i] == class)
			return (int)i;
	return (int)ARRAY_LEN(order);
}
