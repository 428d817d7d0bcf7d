package subject

var hashFixtures []fixture
