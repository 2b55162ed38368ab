# message: odd.eml
# expect: fileinto a
require "fileinto";
if header :is "subject" "spaces around" { fileinto "a"; }
if header :is "subject" "  spaces around   " { fileinto "b"; }
