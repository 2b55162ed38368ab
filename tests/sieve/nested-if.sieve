# expect: fileinto b
require "fileinto";
if true { if false { fileinto "a"; } else { if allof(true, not false) { fileinto "b"; stop; } } fileinto "c"; }
