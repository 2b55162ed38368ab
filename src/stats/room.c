/* Keeps the room a library until its first file is there. */
extern const char room_stats_is_empty;
const char room_stats_is_empty = 0;
