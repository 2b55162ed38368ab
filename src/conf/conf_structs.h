/* The typed settings, generated from the .def files by the preprocessor. Include conf.h instead. */
#pragma once

struct conf_routes;
struct conf_backups;
struct conf_patterns;

#define SETTING(room, name, type, ...) SET_CTYPE_##type name;
struct conf_system {
#include "conf/defs/system.def"
};
struct conf_net {
#include "conf/defs/net.def"
};
struct conf_log {
#include "conf/defs/log.def"
};
struct conf_events {
#include "conf/defs/events.def"
};
struct conf_auth {
#include "conf/defs/auth.def"
};
struct conf_smtp {
#include "conf/defs/smtp.def"
};
struct conf_queue {
#include "conf/defs/queue.def"
};
struct conf_deliver {
#include "conf/defs/deliver.def"
};
struct conf_mailbox {
#include "conf/defs/mailbox.def"
};
struct conf_sieve {
#include "conf/defs/sieve.def"
};
struct conf_managesieve {
#include "conf/defs/managesieve.def"
};
struct conf_pop3 {
#include "conf/defs/pop3.def"
};
struct conf_imap {
#include "conf/defs/imap.def"
};
struct conf_dns {
#include "conf/defs/dns.def"
};
struct conf_web {
#include "conf/defs/web.def"
};
struct conf_archive {
#include "conf/defs/archive.def"
};
struct conf_sms {
#include "conf/defs/sms.def"
};
#undef SETTING

struct conf {
    struct conf_system system;
    struct conf_net net;
    struct conf_log log;
    struct conf_events events;
    struct conf_auth auth;
    struct conf_smtp smtp;
    struct conf_queue queue;
    struct conf_deliver deliver;
    struct conf_mailbox mailbox;
    struct conf_sieve sieve;
    struct conf_managesieve managesieve;
    struct conf_pop3 pop3;
    struct conf_imap imap;
    struct conf_dns dns;
    struct conf_web web;
    struct conf_archive archive;
    struct conf_sms sms;
    struct conf_routes *routes;   /* NULL = none */
    struct conf_backups *backups; /* the same */
    struct conf_patterns *patterns;
};
