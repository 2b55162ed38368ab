/* Addresses that are telephone numbers, and who may send to them. Any thread. */
#pragma once

#include "conf/conf.h"
#include "mail/account/account.h"
#include "proto/sms/sms.h"

/* Is it in sms.domain? */
bool sms_is_address(const struct conf *cf, struct sv address);
/* Its local part as a number; errors of sms_number. */
int sms_number_of(const struct conf *cf, struct sv address, char ret[SMS_NUMBER_TEXT]);
/* 1 = the account may send SMS (sms.allowed), 0 = not; E_TEMP. May ask the database, for groups. */
int sms_may_send(struct accounts *a, const struct conf *cf, const struct account *acc,
                 struct errinfo *ei);
