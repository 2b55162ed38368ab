# from: tim@example.com
# expect: vacation Gone fishing.
# expect: fileinto later
require ["vacation", "fileinto"];
vacation :days 3 :subject "Away" :addresses ["ken@example.org"] "Gone fishing.";
fileinto "later";
