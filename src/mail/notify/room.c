/* Keeps the room a library until its first file is there. */
extern const char room_mail_notify_is_empty;
const char room_mail_notify_is_empty = 0;
