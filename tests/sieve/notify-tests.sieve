# expect: fileinto a
# expect: fileinto c
require ["enotify", "fileinto"];
if valid_notify_method "mailto:a@example.net" { fileinto "a"; }
if valid_notify_method ["mailto:a@example.net", "nonsense:x"] { fileinto "b"; }
if notify_method_capability "mailto:a@example.net" "online" "maybe" { fileinto "c"; }
if notify_method_capability "mailto:a@example.net" "online" "yes" { fileinto "d"; }
