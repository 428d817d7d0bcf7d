package subject

var foreignFixtures []fixture
