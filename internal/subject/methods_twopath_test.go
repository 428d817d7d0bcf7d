package subject

var twopathFixtures []fixture
