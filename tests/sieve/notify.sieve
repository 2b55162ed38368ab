# expect: notify mailto:pager@example.net?subject=x
# expect: keep
require "enotify";
notify :message "new mail" "mailto:pager@example.net?subject=x";
