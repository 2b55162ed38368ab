# expect: keep
require "fileinto";
fileinto "INBOX"; keep;
