# expect: fileinto b
require ["duplicate", "fileinto"];
if duplicate { fileinto "a"; } else { fileinto "b"; }
if duplicate :header "X-Missing" { fileinto "c"; }
if duplicate :uniqueid "x" :handle "h" :seconds 60 { fileinto "d"; }
