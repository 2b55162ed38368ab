# from: tim@example.com
# expect: keep
require ["vacation", "reject"];
vacation "away"; reject "no";
