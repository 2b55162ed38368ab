# expect: fileinto c
require "fileinto";
if false { fileinto "a"; } elsif header "x-priority" "3" { fileinto "b"; }
elsif header "x-priority" "003" { fileinto "c"; } else { fileinto "d"; }
