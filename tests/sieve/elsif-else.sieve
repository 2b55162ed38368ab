# expect: fileinto c
# expect: keep
require "fileinto";
if false { fileinto "a"; } elsif not true { fileinto "b"; } else { fileinto "c"; }
keep;
