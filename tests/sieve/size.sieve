# expect: fileinto a
# expect: fileinto d
require "fileinto";
if size :over 100 { fileinto "a"; }
if size :under 100 { fileinto "b"; }
if size :over 1M { fileinto "c"; }
if size :under 1G { fileinto "d"; }
